//! Comments and check runs against a GitHub with faults, behind TLS and proxies: nothing twice, nothing lost, and the token is
//! seen by nobody.

#[path = "../support/mod.rs"]
mod support;

mod artifacts;
mod check_runs;
mod comments;
mod fake;
mod limits;
mod network;
mod secrecy;
