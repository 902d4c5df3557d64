//! `mi_fifo`: commands through a named pipe.

use std::path::PathBuf;

use super::{FileAccess, NOT_TRACED};
use crate::module::{Module, Parameter, Parameters, Settings};

/// The declaration of `mi_fifo`.
pub static MI_FIFO: Module = Module {
    name: "mi_fifo",
    parameters: &[
        Parameter::str("fifo_name"),
        Parameter::int("fifo_mode"),
        Parameter::any("fifo_user"),
        Parameter::any("fifo_group"),
        Parameter::str("reply_dir"),
        Parameter::int("pretty_printing"),
        Parameter::int("read_only"),
        Parameter::str("trace_destination").without_effect(None, NOT_TRACED),
        Parameter::str("trace_bwlist").without_effect(None, NOT_TRACED),
    ],
    configure,
    ..Module::EMPTY
};

/// Where the FIFO is and how commands are answered.
#[derive(Clone, Debug)]
pub struct MiFifoSettings {
    /// The pipe.
    pub path: PathBuf,
    /// Who may use it.
    pub access: FileAccess,
    /// Where clients make the FIFOs for their replies.
    pub reply_dir: PathBuf,
    /// Whether answers are indented.
    pub pretty_printing: bool,
    /// Whether commands that change something are refused.
    pub read_only: bool,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let path = |name, default| {
        let text = parameters.str(name).unwrap_or(default);
        if text.is_empty() { Err(format!("{name} is empty")) } else { Ok(PathBuf::from(text)) }
    };
    Ok(Box::new(MiFifoSettings {
        path: path("fifo_name", "/tmp/opensips_fifo")?,
        access: FileAccess::of(parameters, ["fifo_mode", "fifo_user", "fifo_group"])?,
        reply_dir: path("reply_dir", "/tmp/")?,
        pretty_printing: parameters.switch("pretty_printing", false),
        read_only: parameters.switch("read_only", false),
    }))
}
