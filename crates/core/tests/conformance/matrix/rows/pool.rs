//! What no ring carries out: threads do.

use super::super::case::{Case, Made, Stage};
use super::super::lane::Op;
use super::{NEVER_WAITS, row};
use crate::matrix::Row;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use wakering_core::abi::{DIRENT_HEAD_BYTES, Opcode, copyfile_flag};

pub(super) const ROWS: &[Row] = &[
    row("Readdir", Opcode::Readdir, list, list_a_file, NEVER_WAITS),
    row("Readlink", Opcode::Readlink, read_link, read_no_link, NEVER_WAITS),
    row("Realpath", Opcode::Realpath, resolve, resolve_a_loop, NEVER_WAITS),
    row("Access", Opcode::Access, access, access_what_is_missing, NEVER_WAITS),
    row("CopyFile", Opcode::CopyFile, copy, copy_onto_another, NEVER_WAITS),
];

fn list(stage: &Stage) -> Made {
    let path = stage.fresh();
    fs::create_dir(&path).expect("a folder");
    fs::write(path.join("entry"), "").expect("a file in it");
    let case = Case::new(Op::new(Opcode::Readdir).path(&path)).gives_any();
    Ok(case.then(|seen| {
        let entries = seen.answer.owned.as_deref().expect("bytes");
        assert_eq!(&entries[DIRENT_HEAD_BYTES..], b"entry");
    }))
}

fn list_a_file(stage: &Stage) -> Made {
    let path = stage.file(b"");
    Ok(Case::new(Op::new(Opcode::Readdir).path(&path)).fails(libc::ENOTDIR))
}

fn read_link(stage: &Stage) -> Made {
    let path = stage.fresh();
    symlink("anywhere", &path).expect("a link");
    let case = Case::new(Op::new(Opcode::Readlink).path(&path)).gives(8);
    Ok(case.then(|seen| assert_eq!(seen.answer.owned.as_deref(), Some(&b"anywhere"[..]))))
}

fn read_no_link(stage: &Stage) -> Made {
    let path = stage.file(b"");
    Ok(Case::new(Op::new(Opcode::Readlink).path(&path)).fails(libc::EINVAL))
}

fn resolve(stage: &Stage) -> Made {
    let (file, path) = (stage.file(b""), stage.fresh());
    symlink(&file, &path).expect("a link");
    let real = fs::canonicalize(&file).expect("it is there");
    let case = Case::new(Op::new(Opcode::Realpath).path(&path)).gives_any();
    Ok(case.then(move |seen| {
        assert_eq!(seen.answer.owned.as_deref(), Some(real.as_os_str().as_bytes()));
    }))
}

fn resolve_a_loop(stage: &Stage) -> Made {
    let path = stage.fresh();
    symlink(&path, &path).expect("a link");
    Ok(Case::new(Op::new(Opcode::Realpath).path(&path)).fails(libc::ELOOP))
}

fn access(stage: &Stage) -> Made {
    let path = stage.file(b"");
    Ok(Case::new(Op::new(Opcode::Access).path(&path).flags(libc::R_OK)))
}

fn access_what_is_missing(stage: &Stage) -> Made {
    Ok(Case::new(Op::new(Opcode::Access).path(&stage.fresh()).keep()).fails(libc::ENOENT))
}

fn copy(stage: &Stage) -> Made {
    let (from, to) = (stage.file(b"content"), stage.fresh());
    let op = Op::new(Opcode::CopyFile).path(&from).second(&to);
    Ok(Case::new(op).then(move |_| assert_eq!(fs::read(&to).unwrap(), b"content")))
}

fn copy_onto_another(stage: &Stage) -> Made {
    let (from, to) = (stage.file(b"1"), stage.file(b"2"));
    let op = Op::new(Opcode::CopyFile).path(&from).second(&to).flags(copyfile_flag::EXCL as i32);
    Ok(Case::new(op).fails(libc::EEXIST).then(move |_| assert_eq!(fs::read(&to).unwrap(), b"2")))
}
