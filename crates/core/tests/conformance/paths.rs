//! Names: making, renaming, linking, removing, listing, resolving, copying.

use super::lane::{Lane, Op};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use wakering_core::Driver;
use wakering_core::abi::{DIRENT_HEAD_BYTES, Opcode, completion_flag, copyfile_flag};

pub(crate) fn makes_renames_links_and_removes<D: Driver>(lane: &mut Lane<D>) {
    let needed = [Opcode::Mkdirat, Opcode::Renameat, Opcode::Linkat, Opcode::Symlinkat];
    if needed.into_iter().chain([Opcode::Unlinkat]).any(|opcode| lane.lacks(opcode)) {
        return;
    }
    let [dir, file, hard, soft, moved] =
        ["dir", "file", "hard", "soft", "moved"].map(|n| lane.file(n));
    let mkdir = Op::new(Opcode::Mkdirat).path(&dir).extra([0o750, 0]);
    assert_eq!(lane.result(&mkdir), 0);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o750);
    assert_eq!(lane.result(&mkdir), -libc::EEXIST);
    fs::write(&file, "content").unwrap();
    assert_eq!(lane.result(&Op::new(Opcode::Linkat).path(&file).second(&hard)), 0);
    assert_eq!(fs::metadata(&file).unwrap().nlink(), 2);
    assert_eq!(lane.result(&Op::new(Opcode::Symlinkat).path("some/target").second(&soft)), 0);
    assert_eq!(fs::read_link(&soft).unwrap().as_os_str(), "some/target");
    let keep = Op::new(Opcode::Renameat).path(&file).second(&hard);
    let refused = lane.result(&keep.flags(libc::RENAME_NOREPLACE as i32));
    assert_eq!(refused, -libc::EEXIST);
    assert_eq!(lane.result(&Op::new(Opcode::Renameat).path(&file).second(&moved)), 0);
    assert!(!file.exists() && moved.exists());
    assert_eq!(lane.result(&Op::new(Opcode::Unlinkat).path(&dir)), -libc::EISDIR);
    let rmdir = Op::new(Opcode::Unlinkat).flags(libc::AT_REMOVEDIR);
    assert_eq!(lane.result(&rmdir.clone().path(&moved)), -libc::ENOTDIR);
    assert_eq!(lane.result(&rmdir.path(&dir)), 0);
    for gone in [&hard, &soft, &moved] {
        assert_eq!(lane.result(&Op::new(Opcode::Unlinkat).path(gone)), 0);
    }
    assert_eq!(fs::read_dir(&lane.folder).unwrap().count(), 0);
}

pub(crate) fn keeps_to_the_directory_of_a_handle<D: Driver>(lane: &mut Lane<D>) {
    let folder = lane.open(&lane.folder.clone(), libc::O_RDONLY | libc::O_DIRECTORY);
    let create =
        Op::new(Opcode::OpenAt).path("inside").at(folder).flags(libc::O_CREAT | libc::O_WRONLY);
    let fd = lane.result(&create.extra([0o600, 0]));
    assert!(fd >= 0, "{fd}");
    lane.close(fd);
    assert!(lane.file("inside").exists());
    let stat = Op::new(Opcode::Statx).path("inside").at(folder).extra([libc::STATX_BASIC_STATS, 0]);
    assert_eq!(lane.result(&stat), 0);
    if !lane.lacks(Opcode::Unlinkat) {
        assert_eq!(lane.result(&Op::new(Opcode::Unlinkat).path("inside").at(folder)), 0);
        assert!(!lane.file("inside").exists());
    }
    lane.close(folder);
}

pub(crate) fn takes_paths_of_any_length_and_any_bytes<D: Driver>(lane: &mut Lane<D>) {
    let odd = lane.file(OsStr::from_bytes(b"not \xFF UTF-8 \n at all"));
    fs::write(&odd, "odd").unwrap();
    let fd = lane.open(&odd, libc::O_RDONLY);
    lane.close(fd);
    let mut deep = lane.folder.clone();
    while deep.as_os_str().len() < 2000 {
        deep.push("d".repeat(100));
        fs::create_dir(&deep).unwrap();
    }
    deep.push("file");
    let create = Op::new(Opcode::OpenAt).path(&deep).flags(libc::O_CREAT | libc::O_RDWR);
    let fd = lane.result(&create.extra([0o600, 0]));
    assert!(fd >= 0, "{fd}");
    lane.close(fd);
    if !lane.lacks(Opcode::Renameat) {
        let moved = deep.with_file_name("moved");
        let rename = Op::new(Opcode::Renameat).path(&deep).second(&moved);
        assert_eq!(lane.result(&rename), 0);
        assert!(moved.exists());
    }
    let too_long = "n".repeat(300);
    let path = lane.file(&too_long);
    assert_eq!(lane.result(&Op::new(Opcode::OpenAt).path(&path)), -libc::ENAMETOOLONG);
}

/// Entries of a listing: type and name.
fn entries(mut packed: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [kind, zero, low, high, ..] = *packed {
        assert_eq!(zero, 0);
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (entry, rest) = packed.split_at(DIRENT_HEAD_BYTES + length);
        found.push((kind, entry[DIRENT_HEAD_BYTES..].to_vec()));
        packed = rest;
    }
    assert!(packed.is_empty());
    found.sort();
    found
}

pub(crate) fn lists_directories<D: Driver>(lane: &mut Lane<D>) {
    if lane.lacks(Opcode::Readdir) {
        return;
    }
    let folder = lane.file("listed");
    fs::create_dir(&folder).unwrap();
    let list = Op::new(Opcode::Readdir).path(&folder);
    assert_eq!(lane.run(&list).owned.as_deref(), Some(&[][..]));
    let mut expected = Vec::new();
    for index in 0..2000 {
        let name = format!("a file with a name of some length {index}");
        fs::write(folder.join(&name), "").unwrap();
        expected.push((libc::DT_REG, name.into_bytes()));
    }
    fs::create_dir(folder.join("directory")).unwrap();
    symlink("nowhere", folder.join("link")).unwrap();
    super::lane::make_fifo(&folder.join("fifo"));
    expected.push((libc::DT_DIR, b"directory".to_vec()));
    expected.push((libc::DT_LNK, b"link".to_vec()));
    expected.push((libc::DT_FIFO, b"fifo".to_vec()));
    expected.sort();
    let answer = lane.run(&list);
    let owned = answer.owned.expect("a listing");
    assert_eq!(answer.result as usize, owned.len());
    assert_eq!(answer.flags & completion_flag::OWNED, completion_flag::OWNED);
    assert_eq!(entries(&owned), expected);
    let (missing, file) = (lane.file("missing"), folder.join("link"));
    assert_eq!(lane.result(&Op::new(Opcode::Readdir).path(&missing)), -libc::ENOENT);
    assert_eq!(lane.result(&Op::new(Opcode::Readdir).path(&file)), -libc::ENOENT);
    let file = folder.join("fifo");
    assert_eq!(lane.result(&Op::new(Opcode::Readdir).path(&file)), -libc::ENOTDIR);
}

pub(crate) fn resolves_links<D: Driver>(lane: &mut Lane<D>) {
    if lane.lacks(Opcode::Readlink) || lane.lacks(Opcode::Realpath) {
        return;
    }
    let real = fs::canonicalize(&lane.folder).unwrap();
    fs::create_dir(lane.file("directory")).unwrap();
    fs::write(lane.file("directory/file"), "").unwrap();
    symlink("directory", lane.file("link")).unwrap();
    symlink("loop", lane.file("loop")).unwrap();
    let [link, through, looped, missing, up] =
        ["link", "link/file", "loop", "link/missing", "link/../link/./file"].map(|n| lane.file(n));
    let owned = |answer: super::lane::Answer| answer.owned.expect("bytes");
    assert_eq!(owned(lane.run(&Op::new(Opcode::Readlink).path(&link))), b"directory");
    assert_eq!(lane.result(&Op::new(Opcode::Readlink).path(&through)), -libc::EINVAL);
    for path in [&through, &up] {
        let found = owned(lane.run(&Op::new(Opcode::Realpath).path(path)));
        assert_eq!(found, real.join("directory/file").as_os_str().as_bytes());
    }
    let here = lane.open(&lane.folder.clone(), libc::O_RDONLY);
    let relative = Op::new(Opcode::Realpath).path("link/file").at(here);
    assert_eq!(owned(lane.run(&relative)), real.join("directory/file").as_os_str().as_bytes());
    lane.close(here);
    assert_eq!(owned(lane.run(&Op::new(Opcode::Realpath).path("/"))), b"/");
    assert_eq!(lane.result(&Op::new(Opcode::Realpath).path(&looped)), -libc::ELOOP);
    assert_eq!(lane.result(&Op::new(Opcode::Realpath).path(&missing)), -libc::ENOENT);
}

pub(crate) fn checks_permissions<D: Driver>(lane: &mut Lane<D>) {
    if lane.lacks(Opcode::Access) {
        return;
    }
    let (path, missing) = (lane.file("data"), lane.file("missing"));
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let access = |mode| Op::new(Opcode::Access).path(&path).flags(mode);
    assert_eq!(lane.result(&access(libc::F_OK)), 0);
    assert_eq!(lane.result(&access(libc::R_OK | libc::W_OK)), 0);
    assert_eq!(lane.result(&access(libc::X_OK)), -libc::EACCES);
    assert_eq!(lane.result(&Op::new(Opcode::Access).path(&missing)), -libc::ENOENT);
}

pub(crate) fn copies_files<D: Driver>(lane: &mut Lane<D>) {
    if lane.lacks(Opcode::CopyFile) {
        return;
    }
    let [from, to, folder] = ["from", "to", "folder"].map(|n| lane.file(n));
    let content: Vec<u8> = (0..3_000_000u32).map(|i| (i / 3) as u8).collect();
    fs::write(&from, &content).unwrap();
    fs::set_permissions(&from, fs::Permissions::from_mode(0o751)).unwrap();
    fs::create_dir(&folder).unwrap();
    let copy = Op::new(Opcode::CopyFile).path(&from);
    assert_eq!(lane.result(&copy.clone().second(&to)), 0);
    assert_eq!(fs::read(&to).unwrap(), content);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o751);
    let exclusive = copy.clone().second(&to).flags(copyfile_flag::EXCL as i32);
    assert_eq!(lane.result(&exclusive), -libc::EEXIST);
    fs::write(&from, "shorter").unwrap();
    let clone = copy.clone().second(&to).flags(copyfile_flag::FICLONE as i32);
    assert_eq!(lane.result(&clone), 0);
    assert_eq!(fs::read(&to).unwrap(), b"shorter");
    assert_eq!(lane.result(&copy.clone().second(&from)), 0, "onto itself");
    assert_eq!(fs::read(&from).unwrap(), b"shorter");
    assert_eq!(lane.result(&copy.second(&folder)), -libc::EISDIR);
    let fresh = lane.file("fresh");
    let of_folder = Op::new(Opcode::CopyFile).path(&folder).second(&fresh);
    assert_eq!(lane.result(&of_folder), -libc::EISDIR);
    assert!(!fresh.exists(), "what could not be completed is removed");
    let of_proc = Op::new(Opcode::CopyFile).path("/proc/self/cmdline").second(&fresh);
    assert_eq!(lane.result(&of_proc), 0);
    assert_eq!(fs::read(&fresh).unwrap(), fs::read("/proc/self/cmdline").unwrap());
}
