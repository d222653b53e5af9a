//! What only `unsafe` or the kernel's own files can say: may we use io_uring, how much CPU was spent, who owns a descriptor.
//!
//! The one file of the crate with `unsafe`; each block says why it is sound.
#![allow(unsafe_code, reason = "descriptors and a few system calls; every other file denies it")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use glommio::io::BufferedFile;
use glommio::net::{AcceptedTcpStream, TcpStream};

/// Locked memory glommio wants for the rings and buffers of one executor.
const LOCKED_PER_EXECUTOR: u64 = 512 << 10;

/// CAP_IPC_LOCK (linux/capability.h): no limit on locked memory.
const CAP_IPC_LOCK: u32 = 14;

/// An operation of io_uring_register (linux/io_uring.h).
const IORING_UNREGISTER_BUFFERS: u32 = 1;

/// Why io_uring cannot be had here; each displays as one line that says what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PreflightError {
    /// `kernel.io_uring_disabled` is 1 (only its group may) or 2 (nobody may).
    Sysctl { value: u8 },
    /// Allowed by the kernel but denied to this process: seccomp, as containers do by default, or a security module.
    Denied,
    /// The kernel has no such system call.
    Missing,
    /// RLIMIT_MEMLOCK does not hold the rings.
    LockedMemory { limit: u64, needed: u64 },
    /// Anything else the kernel said.
    Refused { errno: i32 },
}

impl std::fmt::Display for PreflightError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sysctl { value } => {
                write!(f, "io_uring: kernel.io_uring_disabled is {value}; run `sysctl -w kernel.io_uring_disabled=0`")
            }
            Self::Denied => f.write_str(
                "io_uring: denied by seccomp or a security module; in a container allow \
                 io_uring_setup, io_uring_enter and io_uring_register (`--security-opt seccomp=PROFILE`)",
            ),
            Self::Missing => f.write_str("io_uring: this kernel has none; Linux 5.8 or newer is needed"),
            Self::LockedMemory { limit, needed } => write!(
                f,
                "io_uring: RLIMIT_MEMLOCK is {} KiB and {} KiB are needed; raise it (`ulimit -l`, systemd: \
                 LimitMEMLOCK=), or run fewer shards",
                limit >> 10,
                needed >> 10
            ),
            Self::Refused { errno } => {
                write!(f, "io_uring: io_uring_setup failed: {}", io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for PreflightError {}

/// Asks, before anything is started, whether `rings` executors can have io_uring. glommio itself would panic with a
/// text that names none of the causes.
pub fn preflight(rings: u32) -> Result<(), PreflightError> {
    if let Err(errno) = probe_ring() {
        return Err(why_refused(errno, kernel_file("/proc/sys/kernel/io_uring_disabled").as_deref(), locked_limit()));
    }
    let unlimited = kernel_file("/proc/self/status").is_some_and(|status| has_capability(&status, CAP_IPC_LOCK));
    check_locked_memory(rings, locked_limit(), unlimited)
}

/// CPU time of the whole process so far, in user and kernel mode.
#[must_use]
pub fn process_cpu() -> Duration {
    cpu_of(libc::RUSAGE_SELF)
}

/// The same of the calling thread.
#[must_use]
pub fn thread_cpu() -> Duration {
    cpu_of(libc::RUSAGE_THREAD)
}

fn cpu_of(whom: libc::c_int) -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage writes one rusage through a valid pointer; zeroed bytes are a valid rusage even if it fails.
    let usage = unsafe {
        libc::getrusage(whom, usage.as_mut_ptr());
        usage.assume_init()
    };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

/// Takes an accepted connection into something that closes it. `AcceptedTcpStream` has no `Drop`: until this is
/// called, every early return would leak its descriptor. Call it at once, on the executor that accepted.
pub fn own_accepted(stream: AcceptedTcpStream) -> io::Result<OwnedFd> {
    own(&stream.bind_to_executor())
}

/// A descriptor of this stream's socket that may move to another shard, where `stream_from` takes it up.
/// It is a duplicate: glommio's stream keeps, and closes, the one it polls.
pub fn own(stream: &TcpStream) -> io::Result<OwnedFd> {
    descriptor(stream).try_clone_to_owned()
}

/// The descriptor of a stream, to set options on.
#[must_use]
pub fn descriptor(stream: &TcpStream) -> BorrowedFd<'_> {
    // SAFETY: the stream keeps its descriptor open for as long as it is borrowed, which is as long as the result lives.
    unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) }
}

/// Reads what has come, without waiting; `WouldBlock` when nothing has. Streams are blocking sockets to the kernel: glommio says
/// with each call, as this does, that it is not to wait.
pub fn receive_now(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the descriptor is open as long as the stream is borrowed, and the kernel writes no more than `into` holds.
    let count = unsafe { libc::recv(stream.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Takes up a connected socket on this executor, with TCP_NODELAY set: we write whole turns, nothing is gained by waiting.
pub fn stream_from(fd: OwnedFd) -> io::Result<TcpStream> {
    // SAFETY: ownership of an open descriptor passes from `fd` to the stream; nobody else closes it.
    let stream = unsafe { TcpStream::from_raw_fd(fd.into_raw_fd()) };
    stream.set_nodelay(true).map_err(io::Error::from)?;
    Ok(stream)
}

/// Takes up a listening socket on this executor.
#[must_use]
pub fn listener_from(listener: std::net::TcpListener) -> glommio::net::TcpListener {
    // SAFETY: ownership of an open, listening descriptor passes to glommio's listener.
    unsafe { glommio::net::TcpListener::from_raw_fd(listener.into_raw_fd()) }
}

/// Takes a descriptor that was handed to this process at its start. For each number once.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl touches no memory; it says whether there is such a descriptor, and keeps it from our children.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and whoever started us opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The kernel's monotonic clock, which other processes read too.
#[must_use]
pub fn kernel_monotonic() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime writes one timespec through a valid pointer; zeroed bytes are a valid timespec even if it fails.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Takes up a file on this executor, to sync it through the ring.
#[must_use]
pub fn file_from(file: File) -> BufferedFile {
    // SAFETY: ownership of an open descriptor passes from `file`; nobody else closes it.
    unsafe { BufferedFile::from_raw_fd(file.into_raw_fd()) }
}

/// Whether a few octets could be written there now: someone reads it, and has room.
#[must_use]
pub fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut polled = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: the kernel reads and writes one pollfd through a valid pointer, and does not wait.
    let count = unsafe { libc::poll(&raw mut polled, 1, 0) };
    count == 1 && polled.revents == libc::POLLOUT
}

/// Whether this process, or the host, has no descriptor left.
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Asks the kernel to forget what it holds of a file that is synced, so that the next read asks the disk. File systems without
/// a disk do nothing.
pub fn drop_cached(file: &File) -> io::Result<()> {
    // SAFETY: a system call on a descriptor that is open as long as `file` is borrowed; it touches no memory of ours.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Asks a child process to end (SIGTERM). Only for a child not yet waited for: its number may be another's after that.
pub fn terminate(child: &std::process::Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // SAFETY: kill takes two numbers and touches no memory of ours.
    if unsafe { libc::kill(pid, libc::SIGTERM) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Allocates the file's first octets, so that writing them cannot run out of room. False where the file system knows no such thing.
pub fn allocate(file: &std::fs::File, octets: u64) -> io::Result<bool> {
    let octets = libc::off_t::try_from(octets).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: the descriptor is open as long as `file` is borrowed; the call touches no memory.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, octets) };
    let error = io::Error::last_os_error();
    if result == 0 {
        return Ok(true);
    }
    if error.kind() == io::ErrorKind::Unsupported { Ok(false) } else { Err(error) }
}

/// Lets two files take each other's names, which needs no room on the disk. False where the file system cannot.
pub fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (one, other) = (name(one)?, name(other)?);
    let here = libc::AT_FDCWD;
    // SAFETY: both names end with a NUL and live until the call returns.
    let result = unsafe { libc::renameat2(here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE) };
    let error = io::Error::last_os_error();
    if result == 0 {
        return Ok(true);
    }
    let cannot = matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP));
    if cannot { Ok(false) } else { Err(error) }
}

/// Has this thread yield to others that want the same core. Where that is forbidden it does not.
pub fn be_nice() {
    // SAFETY: three numbers; 0 is the calling thread, which Linux gives a niceness of its own.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// How long the file system of this directory is.
pub fn file_system_octets(directory: &std::path::Path) -> io::Result<u64> {
    let directory = std::fs::File::open(directory)?;
    let mut stats = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the descriptor is open, and the kernel fills the structure when it says 0.
    if unsafe { libc::fstatvfs(directory.as_raw_fd(), stats.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: filled by the call above.
    let stats = unsafe { stats.assume_init() };
    Ok(stats.f_blocks.saturating_mul(stats.f_frsize))
}

/// Sets up the smallest ring there is, makes the other two calls on it, and drops it again; `Err` is the errno.
fn probe_ring() -> Result<(), i32> {
    // struct io_uring_params is 120 octets and all zero asks for nothing special.
    let mut params = [0u64; 15];
    // SAFETY: the kernel reads and writes one io_uring_params through the pointer, which is aligned and large enough.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1u32, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else knows it. Dropping it closes it.
    let ring = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let fd = ring.as_raw_fd();
    // SAFETY: submits nothing, waits for nothing, and passes no memory.
    let entered =
        unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, 0u32, 0u32, 0u32, std::ptr::null::<u8>(), 0usize) };
    is_permitted(entered)?;
    // SAFETY: gives up buffers the ring never had, and passes no memory. The kernel says ENXIO where it may be asked at all.
    let registered = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, std::ptr::null::<u8>(), 0u32)
    };
    is_permitted(registered)
}

/// Whether a call went through to io_uring, whatever that then said of it.
fn is_permitted(result: libc::c_long) -> Result<(), i32> {
    let errno = if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 };
    if matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS) { Err(errno) } else { Ok(()) }
}

/// The soft limit on locked memory; `u64::MAX` is unlimited.
fn locked_limit() -> u64 {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: getrlimit writes one rlimit through a valid pointer; zeroed bytes are a valid rlimit even if it fails.
    unsafe {
        libc::getrlimit(libc::RLIMIT_MEMLOCK, limit.as_mut_ptr());
        limit.assume_init().rlim_cur
    }
}

fn why_refused(errno: i32, sysctl: Option<&str>, limit: u64) -> PreflightError {
    let disabled = sysctl.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    match errno {
        libc::EPERM if disabled != 0 => PreflightError::Sysctl { value: disabled },
        libc::EPERM | libc::EACCES => PreflightError::Denied,
        // Some container profiles answer ENOSYS for what they forbid, but then the sysctl file shows that the kernel has it.
        libc::ENOSYS if sysctl.is_some() => PreflightError::Denied,
        libc::ENOSYS => PreflightError::Missing,
        libc::ENOMEM => PreflightError::LockedMemory { limit, needed: LOCKED_PER_EXECUTOR },
        errno => PreflightError::Refused { errno },
    }
}

/// glommio refuses to start below its 512 KiB whoever we are; the sum over all shards only binds without CAP_IPC_LOCK.
fn check_locked_memory(rings: u32, limit: u64, unlimited: bool) -> Result<(), PreflightError> {
    let needed = if unlimited { LOCKED_PER_EXECUTOR } else { LOCKED_PER_EXECUTOR * u64::from(rings.max(1)) };
    if limit < needed { Err(PreflightError::LockedMemory { limit, needed }) } else { Ok(()) }
}

fn has_capability(status: &str, capability: u32) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|set| set >> capability & 1 == 1)
}

#[expect(clippy::disallowed_methods, reason = "the kernel's own files, read once before the shards start")]
fn kernel_file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1_000)
}

#[cfg(test)]
mod tests;
