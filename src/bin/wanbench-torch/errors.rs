//! libtorch's errors without the pages of C++ frames that follow their reason.

use anyhow::Error;
use tch::TchError;

/// The reason of a failed operation.
pub fn brief(error: TchError) -> Error {
    without_backtrace(error.into())
}

/// The same for an error that may have been libtorch's at first.
pub fn without_backtrace(error: Error) -> Error {
    let message = format!("{error:#}");
    match message.split_once("\nException raised from") {
        Some((reason, _)) => Error::msg(reason.to_owned()),
        None => error,
    }
}
