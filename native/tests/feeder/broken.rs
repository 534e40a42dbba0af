//! A connection that breaks while no task uses it.

use super::*;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Stands before a trainer, and cuts connections.
struct Proxy {
    port: u16,
    callers: Receiver<TcpStream>,
    gone: Receiver<()>,
}

impl Proxy {
    fn before(trainer: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((come, callers), (go, gone)) = (channel(), channel());
        std::thread::spawn(move || {
            while let Ok((caller, _)) = listener.accept() {
                let server = TcpStream::connect(("127.0.0.1", trainer)).unwrap();
                pass(
                    caller.try_clone().unwrap(),
                    server.try_clone().unwrap(),
                    Some(go.clone()),
                );
                pass(server, caller.try_clone().unwrap(), None);
                if come.send(caller).is_err() {
                    return;
                }
            }
        });
        Proxy { port, callers, gone }
    }

    /// Ends the connection that is there, and waits until the caller has closed it too.
    fn cut(&self) {
        self.callers.recv().unwrap().shutdown(Shutdown::Write).unwrap();
        self.gone.recv().unwrap();
    }
}

/// Hands on what comes, and says when there is no more.
fn pass(mut from: TcpStream, mut to: TcpStream, ended: Option<Sender<()>>) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        ended.map(|ended| ended.send(()))
    });
}

#[test]
fn a_connection_that_broke_between_two_tasks_is_made_anew() {
    let (rows, _) = data(100);
    for tls in [false, true] {
        let (job, secret) = job();
        let keys = secret.ring(&job, &[Purpose::Feed], tls);
        let trainer = Trainer::start_with("t0", (&job, &keys), Manner::Honest);
        let proxy = Proxy::before(trainer.port);
        let owner = Owner {
            port: proxy.port,
            ..trainer.owner(0, SHARDS)
        };
        for partition in 0..2 {
            let task = task(&job, vec![owner.clone()], partition);
            let mut feeder = Feeder::new(task, keys.clone()).unwrap();
            let ledger = feed(&mut feeder, &rows).unwrap();
            assert_eq!((ledger.rows_sent, ledger.lost_because), (100, None), "tls: {tls}");
            drop(feeder);
            if partition == 0 {
                proxy.cut();
            }
        }
    }
}
