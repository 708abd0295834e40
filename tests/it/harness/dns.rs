//! A name server that knows some TXT records, and of everything else that there is no such name.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

pub struct NameServer {
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl NameServer {
    /// `texts` are by name, without a dot at its end.
    pub async fn start(texts: &[(&str, &str)]) -> NameServer {
        let texts: BTreeMap<String, String> = texts.iter().map(|(n, t)| (n.to_string(), t.to_string())).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((read, from)) = socket.recv_from(&mut question).await {
                let _ = socket.send_to(&answer(&question[..read], &texts), from).await;
            }
        });
        NameServer { address, serving }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// RFC 1035, section 4: a header of twelve bytes, the question, and one record that points back to its name.
fn answer(question: &[u8], texts: &BTreeMap<String, String>) -> Vec<u8> {
    let (mut labels, mut at) = (vec![], 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    // The root label, type and class.
    let asked = &question[12..at + 5];
    let text = texts.get(&labels.join("."));
    let (flags, answers): ([u8; 2], u8) = if text.is_some() { ([0x81, 0x80], 1) } else { ([0x81, 0x83], 0) };
    let mut reply = question[..2].to_vec();
    reply.extend(flags);
    reply.extend([0, 1, 0, answers, 0, 0, 0, 0]);
    reply.extend(asked);
    if let Some(text) = text {
        let parts: Vec<u8> =
            text.as_bytes().chunks(255).flat_map(|part| [&[part.len() as u8], part].concat()).collect();
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
        reply.extend((parts.len() as u16).to_be_bytes());
        reply.extend(parts);
    }
    reply
}
