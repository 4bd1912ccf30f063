//! Compiles the public contract: messages, services and the descriptors that reflection serves. No
//! `protoc` is needed.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "weir/hub/v1/common.proto",
        "weir/hub/v1/sharing.proto",
        "weir/hub/v1/record.proto",
        "weir/hub/v1/resident.proto",
        "weir/hub/v1/choice.proto",
        "weir/hub/v1/fact.proto",
        "weir/hub/v1/audit.proto",
        "weir/hub/v1/policy.proto",
        "weir/hub/v1/review.proto",
        "weir/hub/v1/rights.proto",
        "weir/hub/v1/notice.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("weir.hub.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().btree_map(".").skip_debug(["."]).compile_fds(descriptors)?;
    Ok(())
}
