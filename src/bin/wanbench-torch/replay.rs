//! A network with the passes that are enqueued as a whole, where the device can do that.

use anyhow::{Context, Result};
use tch::{Device, Tensor};

use crate::accelerator::Graph;
use crate::model::WanModel;
use crate::sample::Sample;

/// A network, and on CUDA its pass over the sample that it ran over last, recorded.
pub struct Network {
    /// The network itself.
    pub model: WanModel,
    recorded: Option<Recorded>,
}

struct Recorded {
    graph: Graph,
    velocity: Tensor,
}

impl Network {
    /// Of which no pass was recorded yet.
    pub fn new(model: WanModel) -> Self {
        Self { model, recorded: None }
    }

    /// The velocity at the sample's timestep. On CUDA the first call records the pass, and each replays it: with a kernel in 10 µs
    /// and less, the host could not enqueue them one by one as fast as they are computed.
    ///
    /// Until [`Self::forget`], the sample must be the same.
    pub fn forward(&mut self, sample: &Sample) -> Result<Tensor> {
        self.record(sample)?;
        match &self.recorded {
            Some(Recorded { graph, velocity }) => {
                graph.replay()?;
                Ok(velocity.shallow_clone())
            }
            None => self.pass(sample),
        }
    }

    /// Records the pass over `sample`, where the device can replay it and no pass is recorded.
    pub fn record(&mut self, sample: &Sample) -> Result<()> {
        if self.recorded.is_none() && matches!(sample.x.device(), Device::Cuda(_)) {
            let (graph, velocity) = Graph::record(|| self.pass(sample)).context("cannot record a pass")?;
            self.recorded = Some(Recorded { graph, velocity });
        }
        Ok(())
    }

    fn pass(&self, sample: &Sample) -> Result<Tensor> {
        self.model.forward(sample, &mut |_| Ok(()))
    }

    /// Drops what was recorded: the next pass is over another sample.
    pub fn forget(&mut self) {
        self.recorded = None;
    }
}
