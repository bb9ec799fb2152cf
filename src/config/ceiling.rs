//! Ceilings: absolute limits of a case's figures. A speedup, which is worse where it is smaller, has a floor.

/// A limit that the configuration can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Of the step time, in milliseconds.
    StepTime,
    /// Of the loading time, in seconds.
    Load,
    /// Of the speedup over the reference, from below.
    Speedup,
    /// Of the weights, in MiB.
    Model,
    /// Of the process's peak, in MiB.
    ProcessPeak,
    /// Of the framework's own peak, in MiB.
    FrameworkPeak,
}

impl Ceiling {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::StepTime, Self::Load, Self::Speedup, Self::Model, Self::ProcessPeak, Self::FrameworkPeak];

    /// Its key in `[gate]` and `[[gate.overrides]]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::StepTime => "step_time_ceiling_ms",
            Self::Load => "load_ceiling_seconds",
            Self::Speedup => "speedup_floor",
            Self::Model => "model_ceiling_mib",
            Self::ProcessPeak => "process_peak_ceiling_mib",
            Self::FrameworkPeak => "framework_peak_ceiling_mib",
        }
    }

    /// `ceiling` or `floor`.
    pub fn name(self) -> &'static str {
        if self == Self::Speedup { "floor" } else { "ceiling" }
    }
}
