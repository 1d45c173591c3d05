//! Paths of `/files/*`: nothing outside of what is attached is shown, whatever the path.

use std::fs;
use std::os::unix::fs::symlink;

use process::files::Files;

use super::folder::Folder;

const SECRET: &[u8] = b"nobody may read this";

struct Tree {
    folder: Folder,
    files: Files,
}

thread_local! {
    static TREE: Tree = Tree::new();
}

/// Two bytes for offset and length, the rest is a path.
pub fn run(bytes: &[u8]) {
    let Some((&[offset, length], path)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let path = String::from_utf8_lossy(path);
    TREE.with(|tree| {
        let shown = tree.folder.path().join("shown");
        for path in [path.to_string(), format!("/run/1/{path}")] {
            if let Ok(real) = tree.files.resolve(&path) {
                assert!(real.starts_with(&shown), "{} lies outside", real.display());
            }
            let length = (length < 200).then_some(usize::from(length));
            if let Ok(read) = tree.files.read(&path, offset.into(), length) {
                assert!(
                    read.data.len() <= length.unwrap_or(usize::MAX),
                    "no more than was asked for"
                );
                assert!(!read.data.ends_with(b"this"), "what is outside was read");
            }
            for entry in tree.files.list(&path).unwrap_or_default() {
                assert!(!entry.path.ends_with("secret"), "what is outside was listed");
            }
        }
    });
}

impl Tree {
    fn new() -> Self {
        let folder = Folder::new("files");
        let root = folder.path();
        let make = || {
            fs::create_dir_all(root.join("shown/deep/er"))?;
            fs::create_dir(root.join("shown-too"))?;
            fs::write(root.join("shown-too/secret"), SECRET)?;
            fs::write(root.join("secret"), SECRET)?;
            fs::write(root.join("shown/stdout"), b"0123456789")?;
            fs::write(root.join("shown/deep/er/a"), b"a")?;
            symlink(root.join("secret"), root.join("shown/out"))?;
            symlink("../secret", root.join("shown/up"))?;
            symlink("/", root.join("shown/root"))?;
            symlink("loop", root.join("shown/loop"))?;
            symlink("deep/er", root.join("shown/in"))
        };
        make().expect("a folder for temporary files can be written to");
        let files = Files::default();
        files.attach("/run/1", root.join("shown"));
        files.attach("run/2/", root.join("shown/deep"));
        files.attach("/run/1/stdout", root.join("shown/stdout"));
        Self { folder, files }
    }
}
