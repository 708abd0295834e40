//! A way to the database that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::Database;

/// Something between a server and its database that can be cut.
pub struct Wire {
    /// The database, through this.
    pub url: String,
    is_cut: Arc<AtomicBool>,
    open: Arc<std::sync::Mutex<Vec<AbortHandle>>>,
}

impl Wire {
    pub async fn to(database: &Database) -> Wire {
        let url = database.url();
        let (user, rest) = url.split_once('@').expect("a user");
        let (address, name) = rest.split_once('/').expect("a name");
        let address = address.to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = format!("{user}@127.0.0.1:{port}/{name}");
        let wire = Wire { url, is_cut: Arc::default(), open: Arc::default() };
        let (is_cut, open) = (wire.is_cut.clone(), wire.open.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(mut far) = TcpStream::connect(&address).await else { continue };
                let copying =
                    tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
                open.lock().unwrap().push(copying.abort_handle());
            }
        });
        wire
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.open.lock().unwrap().drain(..).for_each(|handle| handle.abort());
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}
