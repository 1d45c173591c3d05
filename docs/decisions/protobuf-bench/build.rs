//! Generates each library's types from the project's own `.proto` files.

use std::path::{Path, PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let root = &Path::new("../../../crates/proto/proto").canonicalize()?;
    println!("cargo:rerun-if-changed={}", root.display());
    let file = root.join("mesos/v1/master/master.proto");
    let set = protox::compile([&file], [&root])?;
    let path = out.join("set.bin");
    std::fs::write(&path, set.encode_to_vec())?;
    let names: Vec<String> = set.file.iter().map(|file| file.name().to_owned()).collect();

    if std::env::var_os("CARGO_FEATURE_PROST").is_some() {
        let folder = out.join("prost");
        std::fs::create_dir_all(&folder)?;
        let mut config = prost_build::Config::new();
        config
            .out_dir(&folder)
            .bytes(["."])
            .btree_map(["."])
            .compile_well_known_types()
            .include_file("all.rs");
        config.compile_fds(set.clone())?;
    }
    if std::env::var_os("CARGO_FEATURE_BUFFA").is_some() {
        let folder = out.join("buffa");
        std::fs::create_dir_all(&folder)?;
        buffa_build::Config::new()
            .descriptor_set(&path)
            .files(&names)
            .out_dir(&folder)
            .generate_views(true)
            .use_bytes_type()
            .include_file("all.rs")
            .compile()?;
    }
    Ok(())
}
