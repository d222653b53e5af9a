//! A disk that loses power: an ext4 image on a loop device, mounted, shut down without flushing its log, and mounted again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::process::wait_for;
use crate::stage::Directory;

/// Time for the files of a killed process to be closed.
const RELEASE: Duration = Duration::from_secs(10);

const IMAGE_OCTETS: u64 = 512 << 20;

/// EXT4_IOC_SHUTDOWN with NOLOGFLUSH: nothing that was not synced reaches the disk any more. In Perl, since the tests know no `unsafe`.
const SHUTDOWN: &str = r#"
    open(my $root, "<", $ARGV[0]) or die "open: $!";
    my $flag = pack("L", 2);
    ioctl($root, 0x8004587D, $flag) or die "ioctl: $!";
"#;

pub struct Disk {
    device: Option<String>,
    mounted: bool,
    pub root: PathBuf,
    // Removed last, when nothing is mounted below it.
    directory: Directory,
}

impl Disk {
    /// A new file system, mounted; or why there can be none here.
    pub fn new() -> Result<Self, String> {
        if run("id", &["-u"])?.trim() != "0" {
            return Err("only root may mount".to_owned());
        }
        for (tool, flag) in [("mkfs.ext4", "-V"), ("losetup", "-V"), ("mount", "-V"), ("perl", "-v")] {
            run(tool, &[flag])?;
        }
        let directory = Directory::new("power");
        let (image, root) = (directory.0.join("image"), directory.0.join("mount"));
        File::create(&image).and_then(|file| file.set_len(IMAGE_OCTETS)).map_err(|error| error.to_string())?;
        fs::create_dir(&root).map_err(|error| error.to_string())?;
        let image = image.display().to_string();
        run("mkfs.ext4", &["-q", "-F", &image])?;
        let device = run("losetup", &["-f", "--show", &image])?.trim().to_owned();
        let mut disk = Self { device: Some(device), mounted: false, root, directory };
        disk.mount()?;
        Ok(disk)
    }

    /// From now on nothing that is written will be found again.
    pub fn lose_power(&self) {
        run("perl", &["-e", SHUTDOWN, &self.path()]).unwrap();
    }

    /// Mounts it again as after a power loss: the kernel replays its log.
    pub fn power_on(&mut self) {
        // The rings of a killed process may hold its files a little longer than it lived.
        let mut told = String::new();
        let unmounted = wait_for(RELEASE, || run("umount", &[&self.path()]).map_err(|error| told = error).ok());
        assert!(unmounted.is_some(), "{told}");
        self.mounted = false;
        self.mount().unwrap();
    }

    fn mount(&mut self) -> Result<(), String> {
        run("mount", &["-t", "ext4", self.device.as_deref().unwrap_or_default(), &self.path()])?;
        self.mounted = true;
        Ok(())
    }

    fn path(&self) -> String {
        self.root.display().to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut problems = Vec::new();
        if self.mounted {
            // Lazily, if a process that is just ending still holds it.
            let path = self.path();
            problems.extend(run("umount", &[&path]).or_else(|_| run("umount", &["-l", &path])).err());
        }
        if let Some(device) = self.device.take() {
            problems.extend(run("losetup", &["-d", &device]).err());
        }
        if !problems.is_empty() {
            eprintln!("{}: left behind: {problems:?}", self.directory.0.display());
        }
    }
}

/// What the program printed.
fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let Output { status, stdout, stderr } = output;
    if !status.success() {
        return Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Whether anything is mounted on or below this path.
pub fn is_mounted(path: &Path) -> bool {
    let path = path.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| at.starts_with(&path)))
}
