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
    /// Where this network is in the checkpoint `path`: in its folder of a download that holds both; a network's own folder
    /// and a file of weights are taken for the low-noise one. A pipeline of diffusers has the high-noise network as
    /// `transformer` and the low-noise one as `transformer_2`, or one network as `transformer`.
    pub fn folder(self, path: &Path) -> Result<PathBuf, CheckpointError> {
        let malformed = |reason: String| CheckpointError::Malformed { path: path.to_owned(), reason };
        if !path.exists() {
            return Err(malformed("there is no such file or folder".to_owned()));
        }
        let pair = [["low_noise_model", "high_noise_model"], ["transformer_2", "transformer"]]
            .into_iter()
            .map(|names| names.map(|name| path.join(name)))
            .find(|[low, high]| low.is_dir() && high.is_dir());
        let own = path.join(self.folder_name());
        let alone = path.join("transformer");
        match (pair, self) {
            (Some([low, _]), Self::Low) => Ok(low),
            (Some([_, high]), Self::High) => Ok(high),
            _ if own.is_dir() => Ok(own),
            (None, Self::Low) => Ok(if alone.is_dir() { alone } else { path.to_owned() }),
            (None, Self::High) if path.join(Self::Low.folder_name()).is_dir() => Err(malformed(
                "has low_noise_model, but not high_noise_model: download that too, or leave --expert out".to_owned(),
            )),
            (None, Self::High) => Err(malformed(
                "is one network, not a download with low_noise_model and high_noise_model: leave --expert out, or name the folder \
                 above it"
                    .to_owned(),
            )),
        }
    }

    fn folder_name(self) -> &'static str {
        match self {
            Self::Low => "low_noise_model",
            Self::High => "high_noise_model",
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
        let path = |name: &str| folder.path().join(name);
        let of = |expert: Expert| expert.folder(folder.path()).map_err(|error| error.to_string());
        assert_eq!(of(Expert::Low).unwrap(), folder.path());
        assert!(of(Expert::High).unwrap_err().contains("is one network"));
        std::fs::create_dir(path("transformer")).unwrap();
        assert_eq!(of(Expert::Low).unwrap(), path("transformer"));
        std::fs::create_dir(path("transformer_2")).unwrap();
        assert_eq!((of(Expert::Low).unwrap(), of(Expert::High).unwrap()), (path("transformer_2"), path("transformer")));
        std::fs::create_dir(path("low_noise_model")).unwrap();
        std::fs::create_dir(path("high_noise_model")).unwrap();
        assert_eq!(of(Expert::High).unwrap(), path("high_noise_model"));
        assert!(Expert::Low.folder(&path("nowhere")).unwrap_err().to_string().contains("no such file or folder"));
    }

    #[test]
    fn a_run_of_both_begins_with_high_noise() {
        assert_eq!((Experts::Both.first(), Experts::Both.second()), (Expert::High, Some(Expert::Low)));
        assert_eq!((Experts::Low.first(), Experts::Low.second()), (Expert::Low, None));
        assert_eq!(Experts::Swap.resident(), 1);
    }
}
