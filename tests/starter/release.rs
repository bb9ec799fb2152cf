//! A release of this version as its workflow makes it, of the tests' own program, behind a server.

use std::process::Command;

use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::tools;

pub struct Release {
    server: MockServer,
    /// The text of its installer.
    pub installer: String,
}

impl Release {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, arguments: &[&str]| {
            let path = format!("{}/release/{name}", env!("CARGO_MANIFEST_DIR"));
            let output = Command::new(path).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let files = folder.path().to_str().unwrap();
        script("archive.sh", &[files, env!("CARGO_BIN_EXE_wanbench")]);
        script("installer.sh", &[files]);
        let server = MockServer::start().await;
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let at = format!("/v{}/{}", env!("CARGO_PKG_VERSION"), file.file_name().display());
            let answer = ResponseTemplate::new(200).set_body_bytes(std::fs::read(file.path()).unwrap());
            Mock::given(path(at)).respond_with(answer).mount(&server).await;
        }
        let installer = std::fs::read_to_string(folder.path().join("install.sh")).unwrap();
        Self { server, installer }
    }

    /// Where the releases are.
    pub fn address(&self) -> String {
        self.server.uri()
    }
}

#[tokio::test]
async fn an_archive_that_is_not_the_released_one_is_refused_and_what_was_there_stays() {
    let release = Release::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("install.sh"), &release.installer).unwrap();
    std::fs::create_dir(folder.path().join("tools")).unwrap();
    let install = |releases: &str| {
        let mut sh = Command::new("sh");
        sh.args(["install.sh", "programs"]).current_dir(folder.path()).env("WANBENCH_RELEASES", releases);
        sh.env("PATH", tools::path(&folder.path().join("tools")));
        let output = sh.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_done, said) = install(&release.address());
    assert!(is_done && said.contains(concat!("installed wanbench ", env!("CARGO_PKG_VERSION"))), "{said}");
    let version = || {
        let output = Command::new(folder.path().join("programs/wanbench")).arg("--version").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let installed = version();
    assert_eq!(installed, concat!("wanbench ", env!("CARGO_PKG_VERSION"), "\n"));

    let (is_done, said) = install(&format!("{}/none", release.address()));
    assert!(!is_done && said.contains("cannot be fetched"), "{said}");
    let other = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_bytes(b"other"))
        .mount(&other)
        .await;
    let (is_done, said) = install(&other.uri());
    assert!(!is_done && said.contains("is not the file that was released"), "{said}");
    assert_eq!(version(), installed);
    assert_eq!(std::fs::read_dir(folder.path().join("programs")).unwrap().count(), 1, "nothing half-written");

    std::fs::remove_file(folder.path().join("programs/wanbench")).unwrap();
    std::fs::create_dir(folder.path().join("programs/wanbench")).unwrap();
    let (is_done, said) = install(&release.address());
    assert!(!is_done && said.contains("is a folder"), "{said}");
}
