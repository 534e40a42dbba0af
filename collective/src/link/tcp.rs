//! What the system knows of a TCP connection over which nothing comes.
//!
//! A host that is gone, or to which there is no way any more, answers nothing; one whose program computes answers for it. So
//! connections are asked now and then (SO_KEEPALIVE), and a silent peer is looked at by when its host answered last. Not by
//! TCP_USER_TIMEOUT: that ends connections whose other side does not read for a while, too.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Unanswered questions after which a connection is at its end.
const QUESTIONS: i32 = 3;

/// From now on the other side's host is asked whether it is there, some times within `within`.
///
/// # Errors
/// Where the system does not take it.
pub(crate) fn keep_alive(stream: &TcpStream, within: Duration) -> io::Result<()> {
    let seconds = i32::try_from(within.as_secs()).unwrap_or(i32::MAX) / (QUESTIONS + 1);
    let seconds = seconds.max(1);
    set(stream, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set(stream, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, seconds)?;
    set(stream, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, seconds)?;
    set(stream, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, QUESTIONS)
}

fn set(stream: &TcpStream, level: i32, option: i32, value: i32) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or_default();
    // SAFETY: the descriptor is open, and the option is a number of this frame.
    let done =
        unsafe { libc::setsockopt(stream.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the other side's host has answered within that time, or owes no answer.
pub(super) fn answers(stream: &TcpStream, within: Duration) -> bool {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut size = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or_default();
    // SAFETY: the descriptor is open, and the system writes no more than `size` bytes; zeros are a legal value of all.
    let info = unsafe {
        let place = info.as_mut_ptr().cast();
        if libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            place,
            &raw mut size,
        ) != 0
        {
            return false;
        }
        info.assume_init()
    };
    let lately = Duration::from_millis(u64::from(info.tcpi_last_ack_recv)) < within;
    // Where it does not read, questions come ever later: the first of them is no sign.
    lately || (info.tcpi_unacked == 0 && info.tcpi_probes <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn a_host_answers_for_a_program_that_says_nothing_and_reads_nothing() {
        let (mut one, other) = pair();
        keep_alive(&one, Duration::from_secs(4)).unwrap();
        // However short that is, nothing is owed.
        assert!(answers(&one, Duration::ZERO));
        one.set_nonblocking(true).unwrap();
        let piece = vec![0; 1 << 20];
        while one.write(&piece).is_ok() {}
        assert!(answers(&one, Duration::from_secs(60)));
        drop(other);
    }
}
