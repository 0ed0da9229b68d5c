// Written from crates/core/src/abi.rs by `npm run generate`. Do not edit.

/** Both sides compare it when they meet. */
export const ABI_VERSION = 3;

/** What an operation does. */
export const Opcode: {
  readonly Nop: 0;
  readonly OpenAt: 1;
  readonly Close: 2;
  readonly Read: 3;
  readonly Write: 4;
  readonly Readv: 5;
  readonly Writev: 6;
  readonly Fsync: 7;
  readonly Fdatasync: 8;
  readonly Ftruncate: 9;
  readonly Fallocate: 10;
  readonly Statx: 11;
  readonly Unlinkat: 12;
  readonly Renameat: 13;
  readonly Mkdirat: 14;
  readonly Linkat: 15;
  readonly Symlinkat: 16;
  readonly Timeout: 17;
  readonly PollAdd: 18;
  readonly Cancel: 19;
  readonly CancelHandle: 20;
  readonly CancelAll: 21;
  readonly SyncFileRange: 22;
  readonly Fadvise: 23;
  readonly Splice: 24;
  readonly Getxattr: 25;
  readonly Setxattr: 26;
  readonly Waitid: 27;
  readonly Pipe: 28;
  readonly LinkTimeout: 29;
  readonly MsgRing: 30;
  readonly InstallFixed: 31;
  readonly Readdir: 32;
  readonly Readlink: 33;
  readonly Realpath: 34;
  readonly Access: 35;
  readonly CopyFile: 36;
  readonly Socket: 40;
  readonly Bind: 41;
  readonly Listen: 42;
  readonly Connect: 43;
  readonly Accept: 44;
  readonly Send: 45;
  readonly Recv: 46;
  readonly Sendmsg: 47;
  readonly Recvmsg: 48;
  readonly SendZc: 49;
  readonly SendmsgZc: 50;
  readonly Shutdown: 51;
  readonly Setsockopt: 52;
  readonly Getsockopt: 53;
} = {
  Nop: 0,
  OpenAt: 1,
  Close: 2,
  Read: 3,
  Write: 4,
  Readv: 5,
  Writev: 6,
  Fsync: 7,
  Fdatasync: 8,
  Ftruncate: 9,
  Fallocate: 10,
  Statx: 11,
  Unlinkat: 12,
  Renameat: 13,
  Mkdirat: 14,
  Linkat: 15,
  Symlinkat: 16,
  Timeout: 17,
  PollAdd: 18,
  Cancel: 19,
  CancelHandle: 20,
  CancelAll: 21,
  SyncFileRange: 22,
  Fadvise: 23,
  Splice: 24,
  Getxattr: 25,
  Setxattr: 26,
  Waitid: 27,
  Pipe: 28,
  LinkTimeout: 29,
  MsgRing: 30,
  InstallFixed: 31,
  Readdir: 32,
  Readlink: 33,
  Realpath: 34,
  Access: 35,
  CopyFile: 36,
  Socket: 40,
  Bind: 41,
  Listen: 42,
  Connect: 43,
  Accept: 44,
  Send: 45,
  Recv: 46,
  Sendmsg: 47,
  Recvmsg: 48,
  SendZc: 49,
  SendmsgZc: 50,
  Shutdown: 51,
  Setsockopt: 52,
  Getsockopt: 53,
};

/** Length of a table indexed by opcode. */
export const OPCODES_MAX = 64;

/** Bits of a descriptor's flags. */
export const OpFlag: {
  readonly Unref: 1;
  readonly Async: 2;
  readonly OwnedResult: 4;
  readonly Direct: 8;
  readonly Content: 16;
} = {
  Unref: 1,
  Async: 2,
  OwnedResult: 4,
  Direct: 8,
  Content: 16,
};

/** Where a descriptor's buffer lies. */
export const BufferKind: {
  readonly None: 0;
  readonly Slab: 1;
  readonly Owned: 2;
} = {
  None: 0,
  Slab: 1,
  Owned: 2,
};

/** Bits of a completion's flags. */
export const CompletionFlag: {
  readonly More: 1;
  readonly Owned: 2;
  readonly Opened: 4;
  readonly Statx: 8;
  readonly Inline: 16;
  readonly Content: 32;
} = {
  More: 1,
  Owned: 2,
  Opened: 4,
  Statx: 8,
  Inline: 16,
  Content: 32,
};

/** Flags of CopyFile. */
export const CopyfileFlag: {
  readonly Excl: 1;
  readonly Ficlone: 2;
  readonly FicloneForce: 4;
} = {
  Excl: 1,
  Ficlone: 2,
  FicloneForce: 4,
};

/** A descriptor or completion without a slot. */
export const SLOT_NONE = 4294967295;

/** No handle: the working directory. */
export const HANDLE_NONE = 4294967295;

/** Each half of the position that means the current one. */
export const POSITION_CURRENT_WORD = 4294967295;

/** The longest path, without its NUL. */
export const PATH_BYTES_MAX = 4095;

/** The largest file that an open brings. */
export const CONTENT_BYTES_MAX = 1048576;

/** Most bytes of an op on the addon's memory. */
export const OWNED_BYTES_MAX = 67108864;

/** The most segments of one Readv or Writev. */
export const SEGMENTS_MAX = 256;

/** Bytes of a directory entry's head: type, zero, length of the name. */
export const DIRENT_HEAD_BYTES = 4;

/** Words of a descriptor; HEAD is opcode | flags << 8 | buffer kind << 16. */
export const Descriptor: {
  readonly WORDS: 16;
  readonly HEAD: 0;
  readonly SLOT: 1;
  readonly HANDLE: 2;
  readonly HANDLE_GENERATION: 3;
  readonly BUFFER: 4;
  readonly BUFFER_OFFSET: 5;
  readonly LENGTH: 6;
  readonly OP_FLAGS: 7;
  readonly OFFSET_LOW: 8;
  readonly OFFSET_HIGH: 9;
  readonly ARGS: 10;
} = {
  WORDS: 16,
  HEAD: 0,
  SLOT: 1,
  HANDLE: 2,
  HANDLE_GENERATION: 3,
  BUFFER: 4,
  BUFFER_OFFSET: 5,
  LENGTH: 6,
  OP_FLAGS: 7,
  OFFSET_LOW: 8,
  OFFSET_HIGH: 9,
  ARGS: 10,
};

/** Words of a completion. */
export const Completion: {
  readonly WORDS: 8;
  readonly SLOT: 0;
  readonly RESULT: 1;
  readonly FLAGS: 2;
  readonly AUX: 3;
  readonly HANDLE: 4;
  readonly HANDLE_GENERATION: 5;
} = {
  WORDS: 8,
  SLOT: 0,
  RESULT: 1,
  FLAGS: 2,
  AUX: 3,
  HANDLE: 4,
  HANDLE_GENERATION: 5,
};

/** Words of a segment of Readv and Writev. */
export const Segment: {
  readonly WORDS: 3;
  readonly BUFFER: 0;
  readonly OFFSET: 1;
  readonly LENGTH: 2;
} = {
  WORDS: 3,
  BUFFER: 0,
  OFFSET: 1,
  LENGTH: 2,
};

/** Areas of the port's memory, in bytes. */
export const Port: {
  readonly DESCRIPTORS_MAX: 256;
  readonly COMPLETIONS_MAX: 256;
  readonly DESCRIPTORS_OFFSET: 0;
  readonly COMPLETIONS_OFFSET: 16384;
  readonly ARENA_OFFSET: 24576;
  readonly ARENA_BYTES: 40960;
  readonly OUT_OFFSET: 65536;
  readonly OUT_BYTES: 65536;
  readonly CONTENT_OFFSET: 131072;
  readonly CONTENT_BYTES: 262144;
  readonly BYTES: 393216;
} = {
  DESCRIPTORS_MAX: 256,
  COMPLETIONS_MAX: 256,
  DESCRIPTORS_OFFSET: 0,
  COMPLETIONS_OFFSET: 16384,
  ARENA_OFFSET: 24576,
  ARENA_BYTES: 40960,
  OUT_OFFSET: 65536,
  OUT_BYTES: 65536,
  CONTENT_OFFSET: 131072,
  CONTENT_BYTES: 262144,
  BYTES: 393216,
};

/** Byte offsets in the kernel's struct statx. */
export const Statx: {
  readonly BYTES: 256;
  readonly MASK: 0;
  readonly BLKSIZE: 4;
  readonly NLINK: 16;
  readonly UID: 20;
  readonly GID: 24;
  readonly MODE: 28;
  readonly INO: 32;
  readonly SIZE: 40;
  readonly BLOCKS: 48;
  readonly ATIME: 64;
  readonly BTIME: 80;
  readonly CTIME: 96;
  readonly MTIME: 112;
  readonly RDEV_MAJOR: 128;
  readonly RDEV_MINOR: 132;
  readonly DEV_MAJOR: 136;
  readonly DEV_MINOR: 140;
  readonly MNT_ID: 144;
} = {
  BYTES: 256,
  MASK: 0,
  BLKSIZE: 4,
  NLINK: 16,
  UID: 20,
  GID: 24,
  MODE: 28,
  INO: 32,
  SIZE: 40,
  BLOCKS: 48,
  ATIME: 64,
  BTIME: 80,
  CTIME: 96,
  MTIME: 112,
  RDEV_MAJOR: 128,
  RDEV_MINOR: 132,
  DEV_MAJOR: 136,
  DEV_MINOR: 140,
  MNT_ID: 144,
};

/** Results that are the runtime's own errors. */
export const ErrorKind: {
  readonly Busy: -4097;
  readonly StaleHandle: -4098;
  readonly BadDescriptor: -4099;
  readonly BadBuffer: -4100;
  readonly BadPath: -4101;
  readonly Unsupported: -4102;
  readonly Closed: -4103;
  readonly WrongLoop: -4104;
  readonly BadSlot: -4105;
} = {
  Busy: -4097,
  StaleHandle: -4098,
  BadDescriptor: -4099,
  BadBuffer: -4100,
  BadPath: -4101,
  Unsupported: -4102,
  Closed: -4103,
  WrongLoop: -4104,
  BadSlot: -4105,
};

/** What each of them is to JavaScript: result, code, message. */
export const ERROR_KINDS: readonly (readonly [number, string, string])[] = [
  [-4097, "ERR_WAKERING_BUSY", "a queue or table of the runtime is full; wait for an operation to finish"],
  [-4098, "EBADF", "file closed"],
  [-4099, "ERR_WAKERING_BAD_DESCRIPTOR", "a number in the operation's descriptor is out of range"],
  [-4100, "ERR_WAKERING_BAD_BUFFER", "the buffer reference lies outside the memory lent to the runtime"],
  [-4101, "ERR_INVALID_ARG_VALUE", "the path has a NUL byte in it"],
  [-4102, "ERR_WAKERING_UNSUPPORTED", "this driver cannot do this operation"],
  [-4103, "ERR_WAKERING_CLOSED", "the runtime is closed"],
  [-4104, "ERR_WAKERING_WRONG_LOOP", "the handle belongs to another loop"],
  [-4105, "ERR_WAKERING_BAD_SLOT", "the slot is in use or does not exist"],
];

/** Results at or below its negative are the runtime's own errors. */
export const ERROR_KIND_BASE = 4096;
