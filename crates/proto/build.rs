//! Compiles the `.proto` files without an installed `protoc`, and writes beside prost's types what prost has not: Mesos's
//! JSON in both directions and the tables of required fields.

#[path = "build/json.rs"]
mod json;
#[path = "build/powers.rs"]
mod powers;
#[path = "build/required.rs"]
mod required;
#[path = "build/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;

/// Repeated messages that stay encoded in the generated types: `Bytes` of one message each. The wire does not tell the
/// difference, and who receives them throws most of them away unread.
const ENCODED: [(&str, &str); 1] = [("ReregisterSlaveMessage", "completed_frameworks")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut descriptors = protox::compile(&files, [root])?;
    let mut plain = descriptors.clone();
    for file in &mut plain.file {
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptors.bin"), plain.encode_to_vec())?;

    std::fs::write(out.join("powers.rs"), powers::generate())?;

    keep_encoded(&mut descriptors);
    let schema = schema::Schema::new(&descriptors);
    std::fs::write(out.join("json.rs"), json::generate(&schema))?;
    std::fs::write(out.join("required.rs"), required::generate(&schema))?;

    undeprecate(&mut descriptors);
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    config.bytes(["."]);
    config.btree_map(["."]);
    // Nine of its ten resources have none, and it is three quarters of the size of one.
    config.boxed(".mesos.v1.Resource.disk");
    config.include_file("schema.rs");
    config.compile_fds(descriptors)?;
    Ok(())
}

/// All `.proto` files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// Makes `bytes` of the fields in [`ENCODED`].
fn keep_encoded(descriptors: &mut FileDescriptorSet) {
    let messages = descriptors
        .file
        .iter_mut()
        .flat_map(|file| &mut file.message_type);
    for message in messages {
        let name = message.name.clone().unwrap_or_default();
        for field in &mut message.field {
            if ENCODED.contains(&(&name, field.name())) {
                field.set_type(Type::Bytes);
                field.type_name = None;
            }
        }
    }
}

/// Deprecated fields are still in daily use by every Mesos client; a warning at each use in our code would say nothing.
/// The JSON writer, which treats them differently, has read the option before.
fn undeprecate(descriptors: &mut FileDescriptorSet) {
    fn message(descriptor: &mut prost_types::DescriptorProto) {
        for field in &mut descriptor.field {
            if let Some(options) = &mut field.options {
                options.deprecated = None;
            }
        }
        for kind in &mut descriptor.enum_type {
            for value in &mut kind.value {
                if let Some(options) = &mut value.options {
                    options.deprecated = None;
                }
            }
        }
        descriptor.nested_type.iter_mut().for_each(message);
    }
    for file in &mut descriptors.file {
        file.message_type.iter_mut().for_each(message);
        for kind in &mut file.enum_type {
            for value in &mut kind.value {
                if let Some(options) = &mut value.options {
                    options.deprecated = None;
                }
            }
        }
    }
}
