//! The ways to a GitHub of one's own: a private certificate authority, a path below its host, a proxy.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::fake::{GitHub, TOKEN};
use super::support::{Project, worker};

/// A name that no resolver knows.
const HOST: &str = "github.test";

/// Where `wanbench` finds GitHub, and what it is allowed on the way.
struct Way {
    address: String,
    variables: Vec<(&'static str, String)>,
}

/// A project with results, in whose folder everything else of the test lies.
fn measured() -> Project {
    let project = Project::new(&[("slow", &worker(0.2, 4000)), ("fast", &worker(0.1, 1000))]);
    assert_eq!(project.wanbench(&["run"]).status, 0);
    project.pretend_release_build();
    project
}

/// Posts the results to `way`: the status, and what was said.
async fn comment(project: &Project, way: &Way) -> (i32, String) {
    let mut command = project.command(&["comment", "--results", "results.json", "--pull-request", "7"]);
    for variable in
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(variable);
    }
    command
        .env_remove("SSL_CERT_DIR")
        .env("GITHUB_TOKEN", TOKEN)
        .env("GITHUB_REPOSITORY", "octo/models")
        .env("GITHUB_API_URL", &way.address)
        .envs(way.variables.iter().map(|(name, value)| (*name, value)));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A certificate authority's file in the project's folder, and a server's acceptor with a certificate of it for [`HOST`] and
/// for this machine.
fn authority(project: &Project) -> (PathBuf, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = project.path("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = [HOST, "localhost"].map(str::to_owned);
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (file, TlsAcceptor::from(Arc::new(config)))
}

/// Puts TLS before `github`; the port.
async fn behind_tls(github: &GitHub, acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = *github.server.address();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(plain).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    port
}

/// A proxy that connects whatever it is asked for with `port` of this machine: its address, and what it was asked for.
async fn proxy(port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let heard = Arc::clone(&heard);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut request).await.unwrap() == 0 {
                        return;
                    }
                }
                heard.lock().unwrap().push(request.lines().next().unwrap().to_owned());
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_system_trusts_it() {
    let (project, github) = (measured(), GitHub::start_at("/api/v3").await);
    let (authority, acceptor) = authority(&project);
    let port = behind_tls(&github, acceptor).await;
    let address = format!("https://localhost:{port}/api/v3");
    let trusting = vec![("SSL_CERT_FILE", authority.display().to_string())];
    let (status, said) = comment(&project, &Way { address: address.clone(), variables: trusting }).await;
    assert_eq!((status, github.texts().len()), (0, 1), "{said}");

    let another = project.path("another.pem");
    let params = CertificateParams::new(Vec::new()).unwrap();
    let stranger = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&another, stranger.pem()).unwrap();
    let distrusting = vec![("SSL_CERT_FILE", another.display().to_string())];
    let (status, said) = comment(&project, &Way { address, variables: distrusting }).await;
    assert!(status == 3 && said.contains("cannot be reached") && said.contains("certificate"), "{status}: {said}");
    assert!(!said.contains(TOKEN), "{said}");
    assert_eq!(github.texts().len(), 1);
}

#[tokio::test]
async fn a_proxy_is_taken_except_where_none_is_wanted() {
    let (project, github) = (measured(), GitHub::start().await);
    let (authority, acceptor) = authority(&project);
    let port = behind_tls(&github, acceptor).await;
    let (proxy, asked) = proxy(port).await;
    let trusted = ("SSL_CERT_FILE", authority.display().to_string());
    let address = format!("https://{HOST}");
    let variables = vec![trusted.clone(), ("HTTPS_PROXY", proxy.clone())];
    let (status, said) = comment(&project, &Way { address, variables }).await;
    assert_eq!((status, github.texts().len()), (0, 1), "{said}");
    let connects = |asked: &[String]| asked.iter().all(|line| *line == format!("CONNECT {HOST}:443 HTTP/1.1"));
    let number = asked.lock().unwrap().len();
    assert!(number > 0 && connects(&asked.lock().unwrap()), "{asked:?}");

    let direct = Way {
        address: format!("https://localhost:{port}"),
        variables: vec![trusted, ("HTTPS_PROXY", proxy), ("NO_PROXY", "localhost".to_owned())],
    };
    let (status, said) = comment(&project, &direct).await;
    assert_eq!(status, 0, "{said}");
    assert_eq!(asked.lock().unwrap().len(), number, "{asked:?}");
}
