//! Production's two networks of one architecture, for high and for low noise, and where a download holds them.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reading::CheckpointError;

/// One of the two networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expert {
    /// For the later steps, at low noise.
    #[default]
    Low,
    /// For the first steps, at high noise.
    High,
}

/// What a denoising run is computed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Experts {
    /// The low-noise network in every step, or a checkpoint that is one network.
    #[default]
    Low,
    /// The high-noise network in every step.
    High,
    /// Both, each in its steps, and in memory together from the start.
    Both,
    /// Both, each in its steps; the second is loaded when the first is done and gone.
    Swap,
}

impl Expert {
    /// The folder of this network in the checkpoint `folder`: that of a download, which holds both, or a network's own,
    /// which is taken for the low-noise one.
    pub fn folder(self, folder: &Path) -> Result<PathBuf, CheckpointError> {
        let own = folder.join(match self {
            Self::Low => "low_noise_model",
            Self::High => "high_noise_model",
        });
        let is_network = folder.join("config.json").exists();
        match own.is_dir() {
            true => Ok(own),
            false if is_network && self == Self::Low => Ok(folder.to_owned()),
            false => {
                let reason = match folder.exists() {
                    false => "there is no such folder".to_owned(),
                    true if is_network => "is one network: leave --expert out, or name the folder above it".to_owned(),
                    true => format!("holds neither {} nor a config.json", own.display()),
                };
                Err(CheckpointError::Malformed { path: folder.to_owned(), reason })
            }
        }
    }

    /// As `--expert` and folders name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
        }
    }
}

impl Experts {
    /// The network of the first step.
    pub fn first(self) -> Expert {
        match self {
            Self::Low => Expert::Low,
            Self::High | Self::Both | Self::Swap => Expert::High,
        }
    }

    /// The network that takes over from the first, if one does.
    pub fn second(self) -> Option<Expert> {
        matches!(self, Self::Both | Self::Swap).then_some(Expert::Low)
    }

    /// How many networks are in memory at a time.
    pub fn resident(self) -> usize {
        if self == Self::Both { 2 } else { 1 }
    }

    /// What it adds to a workload's name: nothing for the low-noise network alone.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Low => "",
            Self::High => "-high",
            Self::Both => "-both",
            Self::Swap => "-swap",
        }
    }

    /// Whether this is [`Self::Low`], which files leave out.
    pub fn is_default(&self) -> bool {
        *self == Self::Low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_holds_both_and_a_network_alone_is_the_low_one() {
        let folder = tempfile::tempdir().unwrap();
        let of = |expert: Expert| expert.folder(folder.path()).map_err(|error| error.to_string());
        assert!(of(Expert::Low).unwrap_err().contains("holds neither"));
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert_eq!(of(Expert::Low).unwrap(), folder.path());
        assert!(of(Expert::High).unwrap_err().contains("is one network"));
        std::fs::create_dir(folder.path().join("high_noise_model")).unwrap();
        assert_eq!(of(Expert::High).unwrap(), folder.path().join("high_noise_model"));
        assert!(Expert::Low.folder(&folder.path().join("nowhere")).unwrap_err().to_string().contains("no such folder"));
    }

    #[test]
    fn a_run_of_both_begins_with_high_noise() {
        assert_eq!((Experts::Both.first(), Experts::Both.second()), (Expert::High, Some(Expert::Low)));
        assert_eq!((Experts::Low.first(), Experts::Low.second()), (Expert::Low, None));
        assert_eq!(Experts::Swap.resident(), 1);
    }
}
