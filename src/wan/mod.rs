//! The model as data: architecture, parameter list, quantization, inputs, checkpoints. No tensors.
//!
//! Both workers are written against these definitions, so that they measure the same network on the
//! same weights and inputs. The network itself is Wan 2.2 I2V with LingBot-World's camera control.

pub mod checkpoint;
pub mod experts;
mod foreign;
pub mod inputs;
pub mod params;
pub mod quant;
pub mod quantized;
mod reading;
pub mod rope;
pub mod schedule;
pub mod spec;
pub mod synthetic;
pub mod tensor_file;
pub mod time;
pub mod video;
pub mod work;

pub use checkpoint::Checkpoint;
pub use experts::{Expert, Experts};
pub use inputs::Inputs;
pub use quant::{DType, Quant};
pub use quantized::Quantized;
pub use reading::CheckpointError;
pub use spec::Spec;
