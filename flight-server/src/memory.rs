//! The memory ledger of a trainer (rule D): what is held by whom, and what is left for rows.
//!
//! Everything large is charged to an account and given back when its [`Charge`] is dropped. Accounts of rows ask first: where the
//! budget does not hold them, they stay on disk. The others are known before rows come, or follow from the job.

mod streams;

use candlewick_protocol::Failure;
use candlewick_protocol::launch::TrainerMemory;
use candlewick_protocol::message::MemoryUse;
use candlewick_wire::Windows;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use streams::Streams;

pub(crate) use streams::OpenStream;

/// Who holds memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The program and its threads, before there is a job.
    Process,
    /// Weights and buffers of the network.
    Weights,
    /// Gradients of a step.
    Gradients,
    /// State of the optimiser.
    Optimizer,
    /// What the layers put out and keep in a step.
    Activations,
    /// Rows of the steps at hand.
    Batches,
    /// What HTTP/2 may hold of open streams.
    Windows,
    /// Memory that is shared with the other trainers of the host.
    Links,
    /// Copies of the state of training, on their way to the driver or to another trainer. Room for one is kept.
    States,
    /// Scores of validation rows, for metrics of their ranks.
    Scores,
    /// Rows that stay in memory.
    Rows,
    /// Where they are, and in which order.
    Index,
    /// Buckets of rows on disk that are in memory at the moment.
    Buckets,
    /// What is on its way to disk.
    SpillBuffers,
}

/// All of them, by their names in the summary.
const ACCOUNTS: [(Account, &str); 14] = [
    (Account::Process, "process"),
    (Account::Weights, "weights"),
    (Account::Gradients, "gradients"),
    (Account::Optimizer, "optimizer"),
    (Account::Activations, "activations"),
    (Account::Batches, "batches"),
    (Account::Windows, "windows"),
    (Account::Links, "links"),
    (Account::States, "states"),
    (Account::Scores, "scores"),
    (Account::Rows, "rows"),
    (Account::Index, "index"),
    (Account::Buckets, "buckets"),
    (Account::SpillBuffers, "spillBuffers"),
];

impl Account {
    /// Whether it shares the budget of the rows.
    const fn is_of_rows(self) -> bool {
        matches!(
            self,
            Account::Rows | Account::Index | Account::Buckets | Account::SpillBuffers
        )
    }
}

/// Bytes now, and at most so far.
#[derive(Debug, Default)]
struct Level {
    now: AtomicU64,
    most: AtomicU64,
}

impl Level {
    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.most.fetch_max(now, Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Bytes of this trainer; 0: no limit.
    limit: u64,
    accounts: [Level; ACCOUNTS.len()],
    /// The accounts of rows together, and all others but that of states.
    rows: Level,
    others: Level,
    /// What is kept for one state at a time.
    state: AtomicU64,
    spilled: AtomicU64,
    streams: Streams,
}

impl Ledger {
    /// A ledger of `limit` bytes; 0: without a limit.
    #[cfg(test)]
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Ledger::with(limit, Windows::default())
    }

    fn with(limit: u64, windows: Windows) -> Arc<Self> {
        Arc::new(Ledger {
            limit,
            streams: Streams::new(windows),
            ..Ledger::default()
        })
    }

    /// That of this process: what it was told, or its control group's limit where that is less.
    pub(crate) fn of_process(memory: &TrainerMemory, windows: Windows) -> Arc<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = cgroup_limit(&groups, Path::new("/sys/fs/cgroup"));
        let told = (memory.limit > 0).then_some(memory.limit);
        let limit = told.into_iter().chain(group).min().unwrap_or(0);
        let ledger = Ledger::with(limit, windows);
        // For the life of the process.
        std::mem::forget(ledger.charge(Account::Process, resident_bytes()));
        ledger
    }

    /// What rows may take.
    pub(crate) fn budget(&self) -> u64 {
        if self.limit == 0 {
            u64::MAX
        } else {
            self.limit.saturating_sub(self.others())
        }
    }

    /// All but rows. What is kept for a state is there for those that are made.
    fn others(&self) -> u64 {
        let states = self.accounts[Account::States as usize].now();
        self.others.now() + states.max(self.state.load(Ordering::Relaxed))
    }

    /// Keeps memory for one state, of so many bytes.
    pub(crate) fn keep_for_state(self: &Arc<Self>, bytes: u64) -> OneState {
        self.state.fetch_add(bytes, Ordering::Relaxed);
        self.accounts[Account::States as usize]
            .most
            .fetch_max(bytes, Ordering::Relaxed);
        OneState(Arc::clone(self), bytes)
    }

    /// True where there is memory for another state beside those that are there.
    pub(crate) fn has_room_for_state(&self) -> bool {
        let one = self.state.load(Ordering::Relaxed);
        let states = self.accounts[Account::States as usize].now();
        let all = self.others.now() + self.rows() + one.max(states + one);
        self.limit == 0 || all <= self.limit
    }

    /// True where so many bytes of rows more would leave the reserve as it is.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let wanted = bytes.saturating_add(self.reserve());
        self.rows().saturating_add(wanted) <= self.budget()
    }

    /// What rows take at the moment.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.now()
    }

    /// What an account holds at the moment.
    #[cfg(test)]
    pub(crate) fn now(&self, account: Account) -> u64 {
        self.accounts[account as usize].now()
    }

    /// The most that rows ever took.
    #[cfg(test)]
    pub(crate) fn most_rows(&self) -> u64 {
        self.rows.most.load(Ordering::Relaxed)
    }

    /// Kept free of rows for what writes them to disk and reads them again.
    pub(crate) fn reserve(&self) -> u64 {
        const MOST: u64 = 64 << 20;
        if self.limit == 0 {
            0
        } else {
            (self.budget() / 4).min(MOST)
        }
    }

    /// Charges bytes that are needed in any case.
    pub(crate) fn charge(self: &Arc<Self>, account: Account, bytes: u64) -> Charge {
        self.add(account, bytes);
        Charge {
            place: Some((Arc::clone(self), account)),
            bytes,
        }
    }

    fn add(&self, account: Account, bytes: u64) {
        if let Some(level) = self.level(account) {
            level.add(bytes);
        }
        self.accounts[account as usize].add(bytes);
    }

    fn take(&self, account: Account, bytes: u64) {
        if let Some(level) = self.level(account) {
            level.take(bytes);
        }
        self.accounts[account as usize].take(bytes);
    }

    /// Charges bytes of rows where the budget holds them and leaves `spare` bytes besides.
    pub(crate) fn try_charge(self: &Arc<Self>, account: Account, bytes: u64, spare: u64) -> Option<Charge> {
        let budget = self.budget().saturating_sub(spare);
        let fits = |now: u64| now.checked_add(bytes).filter(|sum| *sum <= budget);
        let rows = &self.rows;
        let before = rows
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()?;
        rows.most.fetch_max(before + bytes, Ordering::Relaxed);
        self.accounts[account as usize].add(bytes);
        Some(Charge {
            place: Some((Arc::clone(self), account)),
            bytes,
        })
    }

    fn level(&self, account: Account) -> Option<&Level> {
        match account {
            Account::States => None,
            rows if rows.is_of_rows() => Some(&self.rows),
            _ => Some(&self.others),
        }
    }

    /// Bytes of rows went to disk.
    pub(crate) fn spilled(&self, bytes: u64) {
        self.spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was needed so far.
    pub(crate) fn told(&self) -> MemoryUse {
        let most = |(account, name): (Account, &str)| {
            let most = self.accounts[account as usize].most.load(Ordering::Relaxed);
            (name.to_owned(), most)
        };
        MemoryUse {
            limit: self.limit,
            accounts: ACCOUNTS.into_iter().map(most).collect(),
            spilled_bytes: self.spilled.load(Ordering::Relaxed),
        }
    }

    /// What would be free of all but rows if `bytes` of that were given back; none without a limit.
    pub(crate) fn free_beside(&self, bytes: u64) -> Option<u64> {
        let used = self.others().saturating_sub(bytes);
        (self.limit > 0).then(|| self.limit.saturating_sub(used))
    }

    /// Refuses a limit that does not even hold what is needed beside rows.
    ///
    /// # Errors
    /// `InvalidParameter` with the need and what to raise.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let need = self.others();
        if self.limit == 0 || need < self.limit {
            return Ok(());
        }
        let parts = ACCOUNTS.into_iter().filter(|(account, _)| !account.is_of_rows());
        let now = |account: Account| {
            let kept = match account {
                Account::States => self.state.load(Ordering::Relaxed),
                _ => 0,
            };
            self.accounts[account as usize].now().max(kept)
        };
        let parts: Vec<String> = parts
            .map(|(account, name)| format!("{name} {}", mib(now(account))))
            .collect();
        Err(Failure::parameter(format!(
            "this trainer may use {} of memory, but needs {} before it holds a row ({}): raise trainerMemory, or the memory of \
             its container, or lower batchSize",
            mib(self.limit),
            mib(need),
            parts.join(", ")
        )))
    }
}

/// Bytes for a message.
pub(crate) fn mib(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes < 10 * MIB {
        format!("{} KiB", bytes.div_ceil(1 << 10))
    } else {
        format!("{} MiB", bytes.div_ceil(MIB))
    }
}

/// Bytes that an account holds, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    place: Option<(Arc<Ledger>, Account)>,
    bytes: u64,
}

impl Charge {
    /// The same account holds so many bytes instead; without a ledger it stays at none.
    pub(crate) fn set(&mut self, bytes: u64) {
        if let Some((ledger, account)) = &self.place {
            match bytes.checked_sub(self.bytes) {
                Some(more) => ledger.add(*account, more),
                None => ledger.take(*account, self.bytes - bytes),
            }
            self.bytes = bytes;
        }
    }

    /// Bytes beside these in the same account.
    pub(crate) fn beside(&self, bytes: u64) -> Charge {
        match &self.place {
            Some((ledger, account)) => ledger.charge(*account, bytes),
            None => Charge::default(),
        }
    }

    /// Bytes in another account of the same ledger.
    pub(crate) fn elsewhere(&self, account: Account, bytes: u64) -> Charge {
        match &self.place {
            Some((ledger, _)) => ledger.charge(account, bytes),
            None => Charge::default(),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((ledger, account)) = self.place.take() {
            ledger.take(account, self.bytes);
        }
    }
}

/// Memory that is kept for a state, until it is dropped.
#[derive(Debug)]
pub(crate) struct OneState(Arc<Ledger>, u64);

impl Drop for OneState {
    fn drop(&mut self) {
        self.0.state.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Gives memory that was freed back to the system, which the allocator would keep for later: a container counts it, and ends the
/// process that has more than its limit.
pub(crate) fn give_back() {
    // SAFETY: the call takes nothing that is in use.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Memory of this process that is in use, by Linux; 0 where that is not to be had.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// The lowest limit of a process's control groups, by the text of `/proc/self/cgroup` and the files under `root`; none where
/// there is none. A container sees its own group as the root.
fn cgroup_limit(groups: &str, root: &Path) -> Option<u64> {
    let found = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kinds, path) = (parts.next()?, parts.next()?);
        let (folder, file) = match kinds {
            "" => (root.to_owned(), "memory.max"),
            _ if kinds.split(',').any(|kind| kind == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let own = folder.join(path.trim_start_matches('/'));
        let of = own.ancestors().take_while(|above| above.starts_with(&folder));
        let limits = of.filter_map(|above| std::fs::read_to_string(above.join(file)).ok());
        // Version 1 says that there is none by a number near 2^63, version 2 by "max".
        limits
            .filter_map(|text| text.trim().parse().ok())
            .filter(|bytes| *bytes < 1 << 60)
            .min()
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_rows_leave_of_the_budget_but_for_the_reserve() {
        let ledger = Ledger::new(1000);
        assert_eq!((ledger.has_room(750), ledger.has_room(751)), (true, false));
        let _rows = ledger.charge(Account::Rows, 500);
        assert_eq!((ledger.has_room(250), ledger.has_room(251)), (true, false));
        assert!(Ledger::new(0).has_room(u64::MAX));
    }

    #[test]
    fn charges_are_given_back_and_the_most_stays() {
        let ledger = Ledger::new(1000);
        let weights = ledger.charge(Account::Weights, 300);
        let rows = ledger.try_charge(Account::Rows, 500, 100).unwrap();
        assert_eq!((ledger.budget(), ledger.rows()), (700, 500));
        assert!(ledger.try_charge(Account::Buckets, 201, 0).is_none());
        let mut bucket = ledger.try_charge(Account::Buckets, 200, 0).unwrap();
        bucket.set(50);
        let more = bucket.beside(20);
        assert_eq!(ledger.rows(), 570);
        drop((weights, rows, bucket, more));
        assert_eq!((ledger.budget(), ledger.rows()), (1000, 0));
        let told = ledger.told();
        assert_eq!(
            (told.limit, told.accounts["rows"], told.accounts["weights"]),
            (1000, 500, 300)
        );
        assert!(ledger.most_rows() <= 750, "{}", ledger.most_rows());
        assert_eq!(Ledger::new(0).budget(), u64::MAX);
    }

    #[test]
    fn a_limit_that_holds_no_row_is_refused_with_what_is_needed() {
        let ledger = Ledger::new(30 << 20);
        let _weights = ledger.charge(Account::Weights, 20 << 20);
        ledger.check().unwrap();
        let _windows = ledger.charge(Account::Windows, 10 << 20);
        let told = ledger.check().unwrap_err().message;
        assert!(
            told.contains("may use 30 MiB")
                && told.contains("weights 20 MiB")
                && told.contains("raise trainerMemory"),
            "{told}"
        );
    }

    #[test]
    fn room_for_one_state_is_kept_and_it_is_taken_from_there() {
        let ledger = Ledger::new(1000);
        let kept = ledger.keep_for_state(300);
        assert_eq!((ledger.budget(), ledger.told().accounts["states"]), (700, 300));
        let _rows = ledger.charge(Account::Rows, 500);
        assert!(ledger.has_room_for_state());
        let one = ledger.charge(Account::States, 290);
        assert_eq!(ledger.budget(), 700, "it has its room");
        assert!(!ledger.has_room_for_state());
        let mut other = ledger.charge(Account::States, 250);
        assert_eq!((ledger.budget(), ledger.told().accounts["states"]), (460, 540));
        other.set(0);
        assert_eq!(ledger.budget(), 700);
        drop(one);
        assert!(ledger.has_room_for_state());
        let told = Ledger::new(250);
        let _kept = told.keep_for_state(300);
        let told = told.check().unwrap_err().message;
        assert!(told.contains("states 1 KiB"), "{told}");
        drop(kept);
        assert_eq!(ledger.budget(), 1000);
    }

    #[test]
    fn the_lowest_limit_of_the_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("memory.max", "max\n");
        write("pods/memory.max", "5000\n");
        write("pods/a/memory.max", "7000\n");
        write("memory/b/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.limit_in_bytes", "4000\n");
        let limit = |groups: &str| cgroup_limit(groups, root.path());
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/pods/a\n"), Some(5000));
        assert_eq!(limit("4:cpu,memory:/b\n3:pids:/b\n"), Some(4000));
        assert_eq!(limit(""), None);
    }
}
