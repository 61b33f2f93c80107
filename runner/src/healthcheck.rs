//! `image-factory healthcheck`: whether the cmp-server in this container answers.
//!
//! The probe of the sidecar. The socket is a file that outlives its server, and the kubelet cannot
//! reach a Unix socket, so this asks what every gRPC server of Argo CD answers
//! (`grpc.health.v1.Health/Check`, Argo CD 3.5.3, `cmpserver/server.go`). One request needs no
//! library: a preface, three frames, and the answer's DATA frame (RFC 9113; gRPC over HTTP2).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::outcome::{Failure, OK};

/// The flags of `healthcheck`.
#[derive(Args)]
pub(crate) struct Flags {
    /// The socket [default: image-factory.sock where argocd-cmp-server makes it]
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Seconds that the server may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    within: u32,
}

/// Where argocd-cmp-server makes its sockets, unless `ARGOCD_PLUGINSOCKFILEPATH` says otherwise.
const SOCKETS: &str = "/home/argocd/cmp-server/plugins";
/// The plugin's name in plugin.yaml.
const SOCKET: &str = "image-factory.sock";

pub(crate) fn run(flags: &Flags) -> Result<u8, Failure> {
    let socket = flags.socket.clone().unwrap_or_else(|| {
        let folder = std::env::var_os("ARGOCD_PLUGINSOCKFILEPATH").map_or(SOCKETS.into(), PathBuf::from);
        folder.join(SOCKET)
    });
    match check(&socket, Duration::from_secs(u64::from(flags.within))) {
        Ok(Health::Serving) => Ok(OK),
        Ok(Health::Other(what)) => Err(unhealthy(&socket, what)),
        Err(error) => Err(unhealthy(&socket, &error.to_string())),
    }
}

fn unhealthy(socket: &Path, what: &str) -> Failure {
    Failure::again("IF1034", format!("no healthy cmp-server at {}: {what}", socket.display()))
}

enum Health {
    Serving,
    Other(&'static str),
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// The only stream.
const STREAM: u32 = 1;
/// The largest frame without a settings frame that allows more, in bytes.
const MAX_FRAME: usize = 1 << 14;
/// `HealthCheckResponse{status: SERVING}`, uncompressed, with its length before it.
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 0x08, 0x01];

fn check(socket: &Path, within: Duration) -> io::Result<Health> {
    let end = Instant::now() + within;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(&request())?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let on = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        if length > MAX_FRAME {
            return Ok(Health::Other("it does not speak HTTP/2"));
        }
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        match (kind, on) {
            // One small message is never split over two frames.
            (DATA, STREAM) if payload == SERVING => return Ok(Health::Serving),
            (DATA, STREAM) => return Ok(Health::Other("its health is not SERVING")),
            (HEADERS, STREAM) if flags & END_STREAM != 0 => {
                return Ok(Health::Other("it has no health service"));
            }
            (RST_STREAM, STREAM) | (GOAWAY, _) => return Ok(Health::Other("it refuses the request")),
            (SETTINGS, 0) if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            (PING, 0) if flags & ACK == 0 => stream.write_all(&frame(PING, ACK, 0, &payload))?,
            _ => {}
        }
    }
}

/// The connection's preface, and the request.
fn request() -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        // Argo CD's own client sends the socket's path here, percent-encoded, which not every server takes.
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // HPACK (RFC 7541, 6.2.2): a literal without indexing and without Huffman's code.
        headers.push(0);
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).expect("they are short")); // below 127: one byte
            headers.extend(text.as_bytes());
        }
    }
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(SETTINGS, 0, 0, &[]));
    out.extend(frame(HEADERS, END_HEADERS, STREAM, &headers));
    // `HealthCheckRequest{}`: the server as a whole.
    out.extend(frame(DATA, END_STREAM, STREAM, &[0; 5]));
    out
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("ours are short");
    let mut out = length.to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What the check says of a server that answers with these frames and then keeps quiet.
    fn says(frames: Vec<Vec<u8>>) -> String {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut asked = vec![0; request().len()];
            stream.read_exact(&mut asked).expect("a whole request");
            assert_eq!(asked, request());
            stream.write_all(&frames.concat()).expect("it reads");
            // Until the other side is gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let said = match check(&socket, Duration::from_millis(300)) {
            Ok(Health::Serving) => "serving".to_owned(),
            Ok(Health::Other(what)) => what.to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        server.join().expect("the server is content");
        said
    }

    #[test]
    fn only_a_server_that_serves_is_healthy() {
        let settings = || frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0x40, 0]);
        let headers = || frame(HEADERS, END_HEADERS, STREAM, &[0x88]);
        let window = || frame(8, 0, 0, &[0, 0, 0, 5]);
        let ping = || frame(PING, 0, 0, b"12345678");
        let data = |bytes: &[u8]| frame(DATA, 0, STREAM, bytes);
        assert_eq!(says(vec![settings(), window(), ping(), headers(), data(&SERVING)]), "serving");
        let not = [0, 0, 0, 0, 2, 8, 2];
        assert_eq!(says(vec![settings(), headers(), data(&not)]), "its health is not SERVING");
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, STREAM, &[0x88]);
        assert_eq!(says(vec![settings(), trailers]), "it has no health service");
        assert_eq!(says(vec![frame(GOAWAY, 0, 0, &[0; 8])]), "it refuses the request");
        assert_eq!(says(vec![frame(RST_STREAM, 0, STREAM, &[0; 4])]), "it refuses the request");
        assert_eq!(says(vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()]), "it does not speak HTTP/2");
        assert_eq!(says(vec![settings()]), "WouldBlock", "a server that hangs");
    }
}
