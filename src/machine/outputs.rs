//! What the system's tools print here, as it is: for a report to those who parse it.

use serde::Serialize;

use super::{command, macos};

/// One tool and what it printed.
#[derive(Clone, Debug, Serialize)]
pub struct ToolOutput {
    /// Program and arguments.
    pub command: String,
    /// Its standard output; `None` where it is missing, failed, or took more than some seconds.
    pub output: Option<String>,
}

/// What every tool prints that this module asks, and some that tell more of the machine.
pub fn outputs() -> Vec<ToolOutput> {
    let tools: Vec<(&str, &[&str])> = match cfg!(target_os = "macos") {
        true => macos::commands().collect(),
        false => vec![("lscpu", &[]), ("nvidia-smi", &["-q"])],
    };
    let everywhere: (&str, &[&str]) = ("uname", &["-a"]);
    let asked = std::iter::once(everywhere).chain(tools);
    asked
        .map(|(program, arguments)| ToolOutput {
            command: [&[program], arguments].concat().join(" "),
            output: command::output(program, arguments),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_named_whether_it_is_here_or_not() {
        let all = outputs();
        assert!(all.len() >= 3, "{all:?}");
        let uname = all.iter().find(|tool| tool.command == "uname -a").unwrap();
        assert!(uname.output.as_ref().is_some_and(|output| !output.is_empty()));
    }
}
