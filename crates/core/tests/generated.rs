//! Writes `ts/generated/abi.ts` from `src/abi.rs`, and fails when the file there is another.
//!
//! `WAKERING_GENERATE=1 cargo test -p wakering-core --test generated` writes it anew.

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::Path;
use wakering_core::abi::*;

/// `const NAME = { key: value, … } as const` with a line of documentation.
fn table(
    out: &mut String,
    doc: &str,
    name: &str,
    rows: impl IntoIterator<Item = (String, String)>,
) {
    let rows: Vec<_> = rows.into_iter().collect();
    writeln!(out, "\n/** {doc} */\nexport const {name}: {{").unwrap();
    for (key, value) in &rows {
        writeln!(out, "  readonly {key}: {value};").unwrap();
    }
    writeln!(out, "}} = {{").unwrap();
    for (key, value) in &rows {
        writeln!(out, "  {key}: {value},").unwrap();
    }
    writeln!(out, "}};").unwrap();
}

fn number(out: &mut String, doc: &str, name: &str, value: impl std::fmt::Display) {
    writeln!(out, "\n/** {doc} */\nexport const {name} = {value};").unwrap();
}

macro_rules! rows {
    ($($name:literal => $value:expr),* $(,)?) => {
        [$(($name.to_string(), $value.to_string())),*]
    };
}

fn typescript() -> String {
    let mut out = String::from(
        "// Written from crates/core/src/abi.rs by `npm run generate`. Do not edit.\n",
    );
    let o = &mut out;
    number(o, "Both sides compare it when they meet.", "ABI_VERSION", ABI_VERSION);
    let opcodes = Opcode::ALL.iter().map(|op| (op.name().to_string(), (*op as u8).to_string()));
    table(o, "What an operation does.", "Opcode", opcodes);
    number(o, "Length of a table indexed by opcode.", "OPCODES_MAX", OPCODES_MAX);
    let rows = rows! {
        "Unref" => op_flag::UNREF, "Async" => op_flag::ASYNC,
        "OwnedResult" => op_flag::OWNED_RESULT, "Direct" => op_flag::DIRECT, "Content" => op_flag::CONTENT,
    };
    table(o, "Bits of a descriptor's flags.", "OpFlag", rows);
    let rows = rows! {
        "None" => buffer_kind::NONE, "Slab" => buffer_kind::SLAB, "Owned" => buffer_kind::OWNED,
    };
    table(o, "Where a descriptor's buffer lies.", "BufferKind", rows);
    let rows = rows! {
        "More" => completion_flag::MORE, "Owned" => completion_flag::OWNED,
        "Opened" => completion_flag::OPENED, "Statx" => completion_flag::STATX,
        "Inline" => completion_flag::INLINE, "Content" => completion_flag::CONTENT,
    };
    table(o, "Bits of a completion's flags.", "CompletionFlag", rows);
    let rows = rows! {
        "Excl" => copyfile_flag::EXCL, "Ficlone" => copyfile_flag::FICLONE,
        "FicloneForce" => copyfile_flag::FICLONE_FORCE,
    };
    table(o, "Flags of CopyFile.", "CopyfileFlag", rows);
    number(o, "A descriptor or completion without a slot.", "SLOT_NONE", SLOT_NONE);
    number(o, "No handle: the working directory.", "HANDLE_NONE", HANDLE_NONE);
    number(
        o,
        "Each half of the position that means the current one.",
        "POSITION_CURRENT_WORD",
        POSITION_CURRENT as u32,
    );
    number(o, "The longest path, without its NUL.", "PATH_BYTES_MAX", PATH_BYTES_MAX);
    number(o, "The largest file that an open brings.", "CONTENT_BYTES_MAX", CONTENT_BYTES_MAX);
    number(o, "Most bytes of an op on the addon's memory.", "OWNED_BYTES_MAX", OWNED_BYTES_MAX);
    number(o, "The most segments of one Readv or Writev.", "SEGMENTS_MAX", SEGMENTS_MAX);
    number(
        o,
        "Bytes of a directory entry's head: type, zero, length of the name.",
        "DIRENT_HEAD_BYTES",
        DIRENT_HEAD_BYTES,
    );
    words(o);
    port_areas(o);
    let kinds = ErrorKind::ALL.iter().map(|kind| {
        let name = format!("{kind:?}");
        (name, kind.to_result().to_string())
    });
    table(o, "Results that are the runtime's own errors.", "ErrorKind", kinds);
    writeln!(o, "\n/** What each of them is to JavaScript: result, code, message. */").unwrap();
    writeln!(o, "export const ERROR_KINDS: readonly (readonly [number, string, string])[] = [")
        .unwrap();
    for kind in ErrorKind::ALL {
        writeln!(o, "  [{}, {:?}, {:?}],", kind.to_result(), kind.code(), kind.message()).unwrap();
    }
    writeln!(o, "];").unwrap();
    number(
        o,
        "Results at or below its negative are the runtime's own errors.",
        "ERROR_KIND_BASE",
        ERROR_KIND_BASE,
    );
    out
}

/// Offsets of the descriptor's and the completion's fields, in 32-bit words.
fn words(o: &mut String) {
    let rows = rows! {
        "WORDS" => size_of::<OpDescriptor>() / 4,
        "HEAD" => offset_of!(OpDescriptor, opcode) / 4,
        "SLOT" => offset_of!(OpDescriptor, slot) / 4,
        "HANDLE" => offset_of!(OpDescriptor, handle) / 4,
        "HANDLE_GENERATION" => offset_of!(OpDescriptor, handle) / 4 + 1,
        "BUFFER" => offset_of!(OpDescriptor, buffer) / 4,
        "BUFFER_OFFSET" => offset_of!(OpDescriptor, buffer_offset) / 4,
        "LENGTH" => offset_of!(OpDescriptor, length) / 4,
        "OP_FLAGS" => offset_of!(OpDescriptor, op_flags) / 4,
        "OFFSET_LOW" => offset_of!(OpDescriptor, offset) / 4,
        "OFFSET_HIGH" => offset_of!(OpDescriptor, offset) / 4 + 1,
        "ARGS" => offset_of!(OpDescriptor, args) / 4,
    };
    table(
        o,
        "Words of a descriptor; HEAD is opcode | flags << 8 | buffer kind << 16.",
        "Descriptor",
        rows,
    );
    let rows = rows! {
        "WORDS" => size_of::<CompletionRecord>() / 4,
        "SLOT" => offset_of!(CompletionRecord, slot) / 4,
        "RESULT" => offset_of!(CompletionRecord, result) / 4,
        "FLAGS" => offset_of!(CompletionRecord, flags) / 4,
        "AUX" => offset_of!(CompletionRecord, aux) / 4,
        "HANDLE" => offset_of!(CompletionRecord, handle) / 4,
        "HANDLE_GENERATION" => offset_of!(CompletionRecord, handle) / 4 + 1,
    };
    table(o, "Words of a completion.", "Completion", rows);
    let rows = rows! {
        "WORDS" => size_of::<Segment>() / 4,
        "BUFFER" => offset_of!(Segment, buffer) / 4,
        "OFFSET" => offset_of!(Segment, offset) / 4,
        "LENGTH" => offset_of!(Segment, length) / 4,
    };
    table(o, "Words of a segment of Readv and Writev.", "Segment", rows);
}

fn port_areas(o: &mut String) {
    let rows = rows! {
        "DESCRIPTORS_MAX" => port::DESCRIPTORS_MAX, "COMPLETIONS_MAX" => port::COMPLETIONS_MAX,
        "DESCRIPTORS_OFFSET" => port::DESCRIPTORS_OFFSET,
        "COMPLETIONS_OFFSET" => port::COMPLETIONS_OFFSET,
        "ARENA_OFFSET" => port::ARENA_OFFSET, "ARENA_BYTES" => port::ARENA_BYTES,
        "OUT_OFFSET" => port::OUT_OFFSET, "OUT_BYTES" => port::OUT_BYTES,
        "CONTENT_OFFSET" => port::CONTENT_OFFSET, "CONTENT_BYTES" => port::CONTENT_BYTES,
        "BYTES" => port::BYTES,
    };
    table(o, "Areas of the port's memory, in bytes.", "Port", rows);
    let rows = rows! {
        "BYTES" => statx::BYTES, "MASK" => statx::MASK, "BLKSIZE" => statx::BLKSIZE,
        "NLINK" => statx::NLINK, "UID" => statx::UID, "GID" => statx::GID, "MODE" => statx::MODE,
        "INO" => statx::INO, "SIZE" => statx::SIZE, "BLOCKS" => statx::BLOCKS,
        "ATIME" => statx::ATIME, "BTIME" => statx::BTIME, "CTIME" => statx::CTIME,
        "MTIME" => statx::MTIME, "RDEV_MAJOR" => statx::RDEV_MAJOR,
        "RDEV_MINOR" => statx::RDEV_MINOR, "DEV_MAJOR" => statx::DEV_MAJOR,
        "DEV_MINOR" => statx::DEV_MINOR, "MNT_ID" => statx::MNT_ID,
    };
    table(o, "Byte offsets in the kernel's struct statx.", "Statx", rows);
}

#[test]
fn typescript_constants_are_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ts/generated/abi.ts");
    let wanted = typescript();
    if std::env::var_os("WAKERING_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "ts/generated/abi.ts is out of date: npm run generate");
}
