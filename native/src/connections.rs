//! One connection per (job, trainer) in a JVM, shared by all its feed tasks.

use candlewick_protocol::Failure;
use candlewick_protocol::feed::Owner;
use candlewick_protocol::keys::{JobSecret, Purpose};
use candlewick_wire::{Client, Identity};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a connection stays open after its last feeder: tasks of a job follow each other at once.
const LINGER: Duration = Duration::from_secs(5);

type Key = (String, String, u16);
type Shared = Arc<OnceCell<Client>>;

static OPEN: Mutex<Option<HashMap<Key, Shared>>> = Mutex::new(None);

/// A task's share of a connection.
#[derive(Debug)]
pub struct Connection {
    key: Key,
    shared: Shared,
}

impl Connection {
    /// The share; connects nowhere yet.
    #[must_use]
    pub fn to(job: &str, owner: &Owner) -> Connection {
        let key = (job.to_owned(), owner.host.clone(), owner.port);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = Arc::clone(open.get_or_insert_default().entry(key.clone()).or_default());
        Connection { key, shared }
    }

    /// The client. The first to ask connects, others wait for it.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn client(
        &self,
        client: String,
        secret: &JobSecret,
        timeout: Duration,
    ) -> Result<Client, Failure> {
        let (job, host, port) = &self.key;
        let identity = Identity {
            job: job.clone(),
            client,
            secret: secret.clone(),
            purpose: Purpose::Feed,
        };
        self.shared
            .get_or_try_init(|| Client::connect(host, *port, &identity, timeout))
            .await
            .cloned()
    }

    /// Takes the connection out of the cache, so that the next task makes a new one.
    pub fn discard(&self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_mut()
            && open
                .get(&self.key)
                .is_some_and(|cached| Arc::ptr_eq(cached, &self.shared))
        {
            open.remove(&self.key);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if Arc::strong_count(&self.shared) > 2 {
            return;
        }
        // The last but the cache: closed unless somebody takes it up again soon.
        let (key, shared) = (self.key.clone(), Arc::downgrade(&self.shared));
        let Ok(runtime) = crate::runtime::shared() else {
            return;
        };
        runtime.spawn(async move {
            tokio::time::sleep(LINGER).await;
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            let (Some(open), Some(shared)) = (open.as_mut(), shared.upgrade()) else {
                return;
            };
            // The cache and this upgrade: nobody uses it. Shares are made under the lock, so none appears meanwhile.
            if Arc::strong_count(&shared) == 2
                && open.get(&key).is_some_and(|cached| Arc::ptr_eq(cached, &shared))
            {
                open.remove(&key);
            }
        });
    }
}
