//! A MySQL server says its version first, and so does MariaDB: enough to know that it is up, and that it is the right one.

use std::io::Read;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Connects and reads the version, such as `8.4.6`.
pub fn read(address: SocketAddr) -> Result<String> {
    let wait = Duration::from_secs(2);
    let mut stream =
        TcpStream::connect_timeout(&address, wait).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(wait))?;
    let mut header = [0; 4];
    stream.read_exact(&mut header).context("it sent no greeting")?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut greeting = Vec::new();
    stream.take(length.into()).read_to_end(&mut greeting).context("its greeting broke off")?;
    version(&greeting)
}

/// The host and port of `mysql://user:password@host:port/database?options`.
pub fn address_of(url: &str) -> Result<SocketAddr> {
    let rest = url.strip_prefix("mysql://").context("it does not start with mysql://")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { host.to_owned() } else { format!("{host}:3306") };
    let mut addresses = host.to_socket_addrs().with_context(|| format!("there is no host {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

/// Protocol version 10, then the version up to a zero byte. Before that, a server that refuses sends an error packet.
fn version(greeting: &[u8]) -> Result<String> {
    match greeting {
        [10, rest @ ..] => {
            let version = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            Ok(String::from_utf8_lossy(version).into_owned())
        }
        [0xff, _, _, message @ ..] => bail!("it refuses: {}", String::from_utf8_lossy(message)),
        _ => bail!("it is not a MySQL server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_ends_at_the_zero_byte() {
        assert_eq!(version(b"\x0a9.7.4-2\0\x08\0\0\0rest").unwrap(), "9.7.4-2");
        assert!(version(b"\xff\x10\x04Too many connections").unwrap_err().to_string().contains("Too many connections"));
        assert!(version(b"HTTP/1.1 400 Bad Request").is_err());
    }

    #[test]
    fn a_url_has_an_address() {
        for (url, port) in [("mysql://root@127.0.0.1", 3306), ("mysql://a:b%40c@127.0.0.1:4000/x?y=z", 4000)] {
            assert_eq!(address_of(url).unwrap(), SocketAddr::from(([127, 0, 0, 1], port)));
        }
        assert!(address_of("postgres://root@127.0.0.1").is_err());
    }
}
