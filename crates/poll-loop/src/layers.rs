//! The layers of an overlay mount, as `/proc/self/mountinfo` names them.
//!
//! An overlay passes each question to its layers, so it answers by itself where all of them do. Its
//! options name them by path, in the mount namespace and, if relative, from the directory of whoever
//! mounted it. Both can be another's: inside a container the names are the host's. So they count
//! only where they are absolute, all of them lead somewhere here, and the uppermost shows to be what
//! the mount's own root is made of. Where that cannot be shown, the overlay stays forbidden.

#![forbid(unsafe_code)]

use crate::sys::{self, CPath};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// More layers than any kernel takes.
const LAYERS_MAX: usize = 512;

/// One line of mountinfo, as far as it matters.
struct Line<'a> {
    root: &'a [u8],
    point: &'a [u8],
    options: &'a [u8],
}

/// Whether each layer of the overlay that `fd` is on lies on a file system that `answers`. May block.
pub(crate) fn all(fd: RawFd, answers: impl Fn(i64) -> bool) -> bool {
    let Ok(info) = std::fs::read("/proc/self/mountinfo") else { return false };
    // The number that the list has. It cannot be used again while `fd` holds the mount.
    let Ok(number) = sys::mount_number(fd) else { return false };
    let Some(line) = find(&info, number) else { return false };
    let Some(layers) = layers(line.options) else { return false };
    let mut opened = Vec::new();
    for layer in &layers {
        let Some(layer) = open(layer) else { return false };
        let Ok(f_type) = sys::file_system_type(layer.as_raw_fd()) else { return false };
        if !answers(f_type) {
            return false;
        }
        opened.push(layer);
    }
    line.root == b"/" && opened.first().is_some_and(|first| is_root_of(first, line.point, number))
}

/// Whether the directory is what the root of the mount shows: an overlay hands on the attributes of
/// the uppermost layer's root. The time of its last change, in nanoseconds, is nobody else's.
fn is_root_of(layer: &OwnedFd, point: &[u8], number: u64) -> bool {
    let Some(root) = unescaped(point).and_then(|point| open(&point)) else { return false };
    // Something else may be mounted over it.
    if sys::mount_number(root.as_raw_fd()) != Ok(number) {
        return false;
    }
    let mask = libc::STATX_BASIC_STATS;
    let stat = |fd: &OwnedFd| sys::statx_here(fd.as_raw_fd(), mask);
    let (Ok(ours), Ok(theirs)) = (stat(layer), stat(&root)) else { return false };
    let time = |stat: &libc::statx| (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec);
    (time(&ours), ours.stx_mode, ours.stx_uid) == (time(&theirs), theirs.stx_mode, theirs.stx_uid)
}

fn open(path: &[u8]) -> Option<OwnedFd> {
    let path = CString::new(path).ok()?;
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    sys::open_owned(libc::AT_FDCWD, CPath::borrowed(&path), flags, 0).ok()
}

/// The line of an overlay: `45 27 0:39 root point options … - overlay source super-options`.
fn find(info: &[u8], number: u64) -> Option<Line<'_>> {
    info.split(|&byte| byte == b'\n').find_map(|line| {
        let mut words = line.split(|&byte| byte == b' ');
        let found = std::str::from_utf8(words.next()?).ok()?.parse() == Ok(number);
        let mut words = words.skip(2);
        let (root, point) = (words.next()?, words.next()?);
        let mut kind = words.skip_while(|&word| word != b"-").skip(1);
        let overlay = kind.next()? == b"overlay";
        let options = kind.nth(1)?;
        (found && overlay).then_some(Line { root, point, options })
    })
}

/// The layers that the options name, uppermost first; `None` where they cannot be told apart, or
/// one is relative. (The second of two colons goes before a layer of content only, which is refused as
/// an empty name.) Names with a comma, a colon or a backslash are escaped in ways that differ from
/// kernel to kernel: those are left alone.
fn layers(options: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut upper = None;
    let mut lower = Vec::new();
    for option in options.split(|&byte| byte == b',') {
        let Some(equals) = option.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = (&option[..equals], unescaped(&option[equals + 1..])?);
        match name {
            b"upperdir" => upper = Some(value),
            b"lowerdir" | b"lowerdir+" => {
                lower.extend(value.split(|&byte| byte == b':').map(<[u8]>::to_vec));
            }
            // Content that is looked for, or measured, when a file is opened: that may wait.
            b"datadir+" | b"verity" => return None,
            _ => {}
        }
    }
    if lower.is_empty() {
        return None;
    }
    let all: Vec<_> = upper.into_iter().chain(lower).collect();
    let plain = |path: &Vec<u8>| path.starts_with(b"/") && !path.contains(&b'\\');
    (all.len() <= LAYERS_MAX && all.iter().all(plain)).then_some(all)
}

/// Text of the list, in which blanks, backslashes and some others are `\ooo`.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\' {
            let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
            plain.push(u8::from_str_radix(digits, 8).ok()?);
            rest = &rest[3..];
        } else {
            plain.push(byte);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &[u8] = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        45 27 0:39 / /mnt/a\\040b rw,relatime shared:1 - overlay overlay \
        rw,lowerdir=/l1:/l\\0402,upperdir=/up,workdir=/work,uuid=on\n\
        46 27 0:40 / /x rw - tmpfs overlay rw,lowerdir=/l\n";

    #[test]
    fn an_overlay_names_its_layers() {
        let line = find(INFO, 45).unwrap();
        assert_eq!((line.root, line.point), (&b"/"[..], &b"/mnt/a\\040b"[..]));
        let expected = ["/up", "/l1", "/l 2"].map(|path| path.as_bytes().to_vec());
        assert_eq!(layers(line.options), Some(expected.to_vec()));
        assert_eq!(unescaped(line.point), Some(b"/mnt/a b".to_vec()));
    }

    #[test]
    fn what_is_no_overlay_or_names_none_has_no_layers() {
        assert!(find(INFO, 27).is_none() && find(INFO, 46).is_none() && find(INFO, 4).is_none());
        assert_eq!(layers(b"rw,upperdir=/u"), None, "no lower layer");
    }

    #[test]
    fn names_that_depend_on_who_mounted_do_not_count() {
        assert_eq!(layers(b"rw,lowerdir=l/AB:l/CD,upperdir=/u"), None, "relative");
        assert_eq!(layers(b"rw,lowerdir=/a\\134:b,upperdir=/u"), None, "an escaped colon");
        assert_eq!(layers(b"rw,lowerdir=/a\\9"), None, "no octal number");
    }

    #[test]
    fn layers_that_an_open_has_to_search_do_not_count() {
        assert_eq!(layers(b"rw,lowerdir=/a::/data,upperdir=/u"), None);
        assert_eq!(layers(b"rw,lowerdir+=/a,datadir+=/data,upperdir=/u"), None);
    }
}
