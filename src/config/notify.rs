//! Who is told of a default branch that fails.

use serde::Deserialize;

/// How the names of the variables begin that hold a webhook's address. It is a secret: workers and builds, which run code of
/// others, get none of them, whatever configuration they are started by.
pub const WEBHOOK_VARIABLES: &str = "WANBENCH_WEBHOOK";

/// Who is told of a default branch that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// The environment variable that holds the webhook's address; `None` for no webhook. It begins with
    /// [`WEBHOOK_VARIABLES`].
    pub webhook_env: Option<String>,
}

impl Notify {
    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let name = self.webhook_env.as_deref()?;
        let is_plain = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        (!is_plain || !name.starts_with(WEBHOOK_VARIABLES)).then(|| {
            format!(
                "names the environment variable with the webhook's address, which is a secret and not to be written here: it \
                 begins with {WEBHOOK_VARIABLES} and has capitals, digits and _ only, such as {WEBHOOK_VARIABLES}_MAIN; workers get \
                 no such variable"
            )
        })
    }
}
