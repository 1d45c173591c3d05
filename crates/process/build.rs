//! Writes down when, by whom and from which commit this was built, for `/version`.
//!
//! Git's own files are read, so that no git is needed. A debug build keeps what its first build saw: following each
//! commit would rebuild everything each time.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=TIANGONG_BUILD_TIME={}", build_time());
    println!(
        "cargo::rustc-env=TIANGONG_BUILD_USER={}",
        user().as_deref().unwrap_or("unknown")
    );
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some((branch, sha)) = commit(release) {
        println!("cargo::rustc-env=TIANGONG_GIT_SHA={sha}");
        println!("cargo::rustc-env=TIANGONG_GIT_BRANCH={branch}");
    }
}

/// Who runs the build: by the environment, otherwise by the name that goes with the user's number.
fn user() -> Option<String> {
    if let Some(user) = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
    {
        return Some(user);
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let number = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .next()?
        .to_owned();
    let names = std::fs::read_to_string("/etc/passwd").ok()?;
    let of_user = |line: &&str| line.split(':').nth(2) == Some(number.as_str());
    names.lines().find(of_user)?.split(':').next().map(str::to_owned)
}

/// Seconds since the epoch; fixed by `SOURCE_DATE_EPOCH`, so that builds can be reproduced.
#[allow(
    clippy::disallowed_methods,
    reason = "a build has no clock of its own to inject"
)]
fn build_time() -> u64 {
    let fixed = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    fixed.unwrap_or_else(|| now.map_or(0, |since| since.as_secs()))
}

/// The branch and the commit.
fn commit(follow: bool) -> Option<(String, String)> {
    let git = git_directory(Path::new(&std::env::var("CARGO_MANIFEST_DIR").ok()?))?;
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?.trim().to_owned();
    if follow {
        println!("cargo::rerun-if-changed={}", git.join("HEAD").display());
    }
    let Some(branch) = head.strip_prefix("ref: ") else {
        // On no branch: as git names that itself.
        return Some(("HEAD".to_owned(), head));
    };
    // In a linked work tree, branches lie with the main one.
    let common = std::fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    if follow {
        println!("cargo::rerun-if-changed={}", common.join(branch).display());
    }
    let loose = std::fs::read_to_string(common.join(branch))
        .ok()
        .map(|text| text.trim().to_owned());
    let sha = loose.or_else(|| {
        let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
        let line = packed
            .lines()
            .find(|line| line.ends_with(&format!(" {branch}")))?;
        line.split(' ').next().map(str::to_owned)
    })?;
    Some((branch.to_owned(), sha))
}

/// The directory with HEAD, found from a directory in the work tree upwards.
fn git_directory(from: &Path) -> Option<PathBuf> {
    let git = from
        .ancestors()
        .map(|directory| directory.join(".git"))
        .find(|git| git.exists())?;
    if git.is_dir() {
        return Some(git);
    }
    let pointer = std::fs::read_to_string(&git).ok()?;
    Some(git.parent()?.join(pointer.strip_prefix("gitdir:")?.trim()))
}
