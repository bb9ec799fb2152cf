//! Reading files: regular ones only, of a size that their kind can have.
//!
//! Whatever is named as a file may be something else: a pipe that nobody writes to, a device without end, a disk image.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::read::GzDecoder;

/// How a file begins that is compressed with gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Most bytes that a kind of file may have: many times what an honest one has, and little enough to be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What the file is, for messages, such as "a baseline".
    pub what: &'static str,
    /// Most bytes.
    pub bytes: u64,
}

impl Limit {
    /// config.toml.
    pub const CONFIGURATION: Self = Self { what: "a configuration", bytes: 16 << 20 };
    /// results.json: 5,000 cases with 10 launches of 20 steps have 30 MB.
    pub const RESULTS: Self = Self { what: "a results file", bytes: 512 << 20 };
    /// calibration.json, which holds several runs.
    pub const CALIBRATION: Self = Self { what: "a calibration", bytes: 1 << 30 };
    /// A machine's baseline or the models' memory.
    pub const BASELINE: Self = Self { what: "a baseline", bytes: 256 << 20 };
    /// One run of the history.
    pub const HISTORY: Self = Self { what: "an entry of the history", bytes: 64 << 20 };
    /// A report to import.
    pub const REPORT: Self = Self { what: "a report", bytes: 64 << 20 };
    /// The JSON of a checkpoint: its configuration, its index, the manifest of a quantized one.
    pub const CHECKPOINT_JSON: Self = Self { what: "the JSON of a checkpoint", bytes: 64 << 20 };
    /// What a build printed.
    pub const LOG: Self = Self { what: "a log", bytes: 1 << 30 };
}

/// Opens a regular file; links are followed.
///
/// # Errors
/// Where there is none, and at once where it is something else: a folder, a pipe, a device.
pub fn open(path: &Path) -> io::Result<File> {
    // Without it the opening of a pipe waits for the other end.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"));
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(file)
}

/// The bytes of a regular file within `limit`.
///
/// # Errors
/// As of [`open`]; for a larger file, with its size.
pub fn bytes(path: &Path, limit: Limit) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > limit.bytes {
        return Err(too_large(size, limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // It may grow meanwhile, and some of the system's files say that they are empty.
    file.take(limit.bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.bytes {
        return Err(too_large(bytes.len() as u64, limit));
    }
    Ok(bytes)
}

/// The text of a regular file within `limit`; of a compressed one (gzip) what it holds.
///
/// # Errors
/// As of [`bytes`()]; where it is not UTF-8, or holds more than `limit`.
pub fn text(path: &Path, limit: Limit) -> io::Result<String> {
    let bytes = bytes(path, limit)?;
    let bytes = if bytes.starts_with(&GZIP) { unpacked(&bytes, limit)? } else { bytes };
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// What a few bytes unpack to may be without end.
fn unpacked(packed: &[u8], limit: Limit) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).take(limit.bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.bytes { Err(too_large(bytes.len() as u64, limit)) } else { Ok(bytes) }
}

fn too_large(size: u64, Limit { what, bytes }: Limit) -> io::Error {
    let reason = format!("it has {size} bytes, and {what} at most {bytes}: is it another file?");
    io::Error::new(io::ErrorKind::FileTooLarge, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        bytes(path, Limit { what: "a baseline", bytes: 4 }).unwrap_err().to_string()
    }

    #[test]
    fn what_a_compressed_file_holds_is_within_the_limit_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packed");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &[b' '; 100_000]).unwrap();
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
        assert_eq!(text(&path, Limit { what: "a baseline", bytes: 100_000 }).unwrap().len(), 100_000);
        let refused = text(&path, Limit { what: "a baseline", bytes: 99_999 }).unwrap_err();
        assert!(refused.to_string().contains("and a baseline at most 99999"), "{refused}");
    }

    #[test]
    fn only_regular_files_are_read_and_only_within_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("fits"), "1234").unwrap();
        std::os::unix::fs::symlink("fits", path("link")).unwrap();
        std::fs::write(path("larger"), "12345").unwrap();
        std::fs::write(path("binary"), b"\xff").unwrap();
        let pipe = std::ffi::CString::new(path("pipe").as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: the name is a C string that lives until the call is over.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        for name in ["fits", "link"] {
            assert_eq!(text(&path(name), Limit { what: "a baseline", bytes: 4 }).unwrap(), "1234");
        }
        assert_eq!(refusal(&path("larger")), "it has 5 bytes, and a baseline at most 4: is it another file?");
        assert_eq!(refusal(folder.path()), "it is a folder, not a file");
        for special in [&path("pipe"), Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(refusal(special), "it is not a regular file");
        }
        assert_eq!(text(&path("binary"), Limit::BASELINE).unwrap_err().to_string(), "it is not UTF-8 text");
        assert_eq!(open(&path("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
