//! A submission queue entry field by field: for what the builders of the crate `io-uring` leave
//! out, which is most of what makes a socket fast (see [`super::socket`]).

use super::file_of;
use io_uring::squeue::Entry;
use wakering_core::resource::Prepared;

/// `struct io_uring_sqe` of the kernel. What a field means besides its name, its user says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sqe {
    pub(super) opcode: u8,
    pub(super) flags: u8,
    pub(super) ioprio: u16,
    pub(super) fd: i32,
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) length: u32,
    pub(super) op_flags: u32,
    pub(super) user_data: u64,
    /// Of a registered buffer, or the group that one is picked from.
    pub(super) buffer: u16,
    pub(super) personality: u16,
    pub(super) file_index: u32,
    pub(super) address_third: u64,
    pub(super) reserved: u64,
}

const _: () = assert!(size_of::<Sqe>() == 64 && size_of::<Entry>() == 64);
const _: () = assert!(align_of::<Sqe>() == align_of::<Entry>());

impl Sqe {
    /// An entry of the kernel's `opcode` on the op's file.
    pub(super) fn on_file(opcode: u8, prepared: &Prepared) -> Self {
        let (fd, flags) = file_of(prepared);
        Self { opcode, fd: fd.0, flags: flags.bits(), ..Self::default() }
    }

    /// The fields of an entry that was built.
    pub(super) const fn of(entry: &mut Entry) -> &mut Self {
        // SAFETY: both are the kernel's structure, in which every pattern of bits is a value.
        unsafe { &mut *std::ptr::from_mut(entry).cast::<Self>() }
    }

    pub(super) const fn build(self) -> Entry {
        // SAFETY: both are the kernel's structure, in which every pattern of bits is a value.
        unsafe { std::mem::transmute::<Self, Entry>(self) }
    }
}

/// Two fields of 32 bits where the kernel's union has one of 64.
pub(super) const fn pair(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        first as u64 | (second as u64) << 32
    } else {
        (first as u64) << 32 | second as u64
    }
}

/// A field of 16 bits, and an empty one behind it, where the union has one of 32.
pub(super) const fn half(first: u16) -> u32 {
    if cfg!(target_endian = "little") { first as u32 } else { (first as u32) << 16 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_uring::opcode as kernel;
    use io_uring::squeue::Flags;
    use io_uring::types::{DestinationSlot, Fd, Fixed};

    fn fields(entry: &Entry) -> Sqe {
        // SAFETY: both are 64 bytes of the same structure (see the assertions).
        unsafe { std::mem::transmute_copy(entry) }
    }

    const FAR: *mut u8 = 0x1122_3344_5566_7788 as *mut u8;

    #[test]
    fn each_field_lies_where_the_builders_put_it() {
        let read = kernel::Read::new(Fd(7), FAR, 300).offset(9).ioprio(5).rw_flags(6).buf_group(8);
        let by_hand = Sqe {
            opcode: kernel::Read::CODE,
            flags: Flags::ASYNC.bits(),
            ioprio: 5,
            fd: 7,
            offset: 9,
            address: FAR as u64,
            length: 300,
            op_flags: 6,
            user_data: 1 << 40,
            buffer: 8,
            personality: 3,
            ..Sqe::default()
        };
        let built = read.build().user_data(1 << 40).flags(Flags::ASYNC).personality(3);
        assert_eq!(fields(&built), by_hand);
        assert_eq!(fields(&by_hand.build()), by_hand);
        let place = DestinationSlot::try_from_slot_target(41).unwrap();
        let open = kernel::OpenAt::new(Fd(7), std::ptr::null()).file_index(Some(place)).build();
        assert_eq!(fields(&open).file_index, 42);
        let xattr = kernel::SetXattr::new(FAR.cast(), FAR.cast(), FAR.cast(), 2).build();
        assert_eq!((fields(&xattr).address_third, fields(&xattr).offset), (FAR as u64, FAR as u64));
        let fixed = kernel::Listen::new(Fixed(3), 5).build();
        assert_eq!((fields(&fixed).fd, fields(&fixed).flags), (3, Flags::FIXED_FILE.bits()));
    }

    #[test]
    fn unions_of_smaller_fields_lie_where_the_builders_put_them() {
        let send = kernel::Send::new(Fd(1), FAR, 2).dest_addr(FAR.cast()).dest_addr_len(28).build();
        assert_eq!((fields(&send).offset, fields(&send).file_index), (FAR as u64, half(28)));
        let set = kernel::SetSockOpt::new(Fd(1), 11, 12, FAR.cast(), 4).build();
        let set = fields(&set);
        assert_eq!((set.offset, set.address), (pair(3, 0), pair(11, 12)));
        assert_eq!((set.file_index, set.address_third), (4, FAR as u64));
    }
}
