//! A TCP link that can break or freeze, between trainers and their coordinator.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Default)]
pub struct Proxy {
    frozen: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Forwards to `target`; gives the address to dial.
    pub fn start(&self, target: (String, u16)) -> (String, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let proxy = self.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect((target.0.as_str(), target.1)).unwrap();
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let frozen = Arc::clone(&proxy.frozen);
                    std::thread::spawn(move || copy(from, to, &frozen));
                }
                proxy.streams.lock().unwrap().extend([client, server]);
            }
        });
        address
    }

    /// Both sides see the connection end.
    pub fn cut(&self) {
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Nothing gets through any more, and nobody is told.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Release);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, frozen: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while frozen.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
