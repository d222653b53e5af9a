//! What the kernel refuses told apart, and descriptors that change hands.

use std::os::unix::process::ExitStatusExt;

use std::io::Read;

use glommio::{LocalExecutorBuilder, Placement};

use super::*;

#[test]
fn each_way_io_uring_can_be_refused_is_told_apart() {
    let cases = [
        (libc::EPERM, Some("2\n"), PreflightError::Sysctl { value: 2 }),
        (libc::EPERM, Some("0\n"), PreflightError::Denied),
        (libc::EPERM, None, PreflightError::Denied),
        (libc::ENOSYS, None, PreflightError::Missing),
        (libc::ENOSYS, Some("0\n"), PreflightError::Denied),
        (libc::ENOMEM, Some("0\n"), PreflightError::LockedMemory { limit: 65_536, needed: 524_288 }),
        (libc::EMFILE, Some("0\n"), PreflightError::Refused { errno: libc::EMFILE }),
    ];
    for (errno, sysctl, expected) in cases {
        let error = why_refused(errno, sysctl, 65_536);
        assert_eq!(error, expected, "errno {errno}, sysctl {sysctl:?}");
        assert!(!error.to_string().contains('\n'), "one line: {error}");
    }
}

#[test]
fn locked_memory_is_counted_per_ring_unless_it_is_unlimited() {
    assert_eq!(check_locked_memory(16, 8 << 20, false), Ok(()));
    let short = Err(PreflightError::LockedMemory { limit: 8 << 20, needed: 17 * (512 << 10) });
    assert_eq!(check_locked_memory(17, 8 << 20, false), short);
    assert_eq!(check_locked_memory(17, 8 << 20, true), Ok(()));
    assert!(check_locked_memory(1, 64 << 10, true).is_err(), "glommio's own check does not ask for capabilities");
    assert_eq!(check_locked_memory(17, u64::MAX, false), Ok(()));
}

#[test]
fn a_capability_is_one_bit_of_the_effective_set() {
    assert!(has_capability("Name:\tx\nCapEff:\t0000000000004000\n", CAP_IPC_LOCK));
    assert!(!has_capability("CapPrm:\t0000000000004000\nCapEff:\t0000000000000000\n", CAP_IPC_LOCK));
    assert!(!has_capability("", CAP_IPC_LOCK));
}

#[test]
fn this_host_has_io_uring_for_one_executor() {
    assert_eq!(preflight(1), Ok(()));
}

#[test]
fn cpu_time_grows_with_work() {
    let before = process_cpu();
    let mut work = (0..100_000_000u64).map(std::hint::black_box);
    assert!(work.any(|i| i % 4_096 == 0 && process_cpu() > before), "no CPU was counted");
}

#[test]
fn an_accepted_connection_moves_to_another_executor_and_closes_there_while_the_first_still_runs() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut peer = std::net::TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let accepting = LocalExecutorBuilder::new(Placement::Unbound)
        .spawn(move || async move {
            let listener = listener_from(listener);
            send.send(own_accepted(listener.shared_accept().await.unwrap()).unwrap()).unwrap();
            // The second connection ends this executor: until then its ring must not hold the first one open.
            drop(listener.accept().await.unwrap());
        })
        .unwrap();
    let home = LocalExecutorBuilder::new(Placement::Unbound)
        .spawn(move || async move {
            use futures_lite::AsyncWriteExt;
            let mut stream = stream_from(receive.recv().unwrap()).unwrap();
            assert!(stream.nodelay().unwrap());
            stream.write_all(b"at home").await.unwrap();
        })
        .unwrap();
    let mut heard = String::new();
    peer.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "at home");
    home.join().unwrap();
    drop(std::net::TcpStream::connect(address).unwrap());
    accepting.join().unwrap();
}

#[test]
fn a_child_is_ended_by_sigterm() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    terminate(&child).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}
