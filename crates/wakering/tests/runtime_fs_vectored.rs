//! Several buffers at once through the Rust runtime: FEATURES R10.

#[path = "support/files.rs"]
mod files;

use files::each_driver;
use wakering::fs::File;

#[test]
fn r10_empty_segments_are_well_and_the_count_is_of_bytes() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
        let (written, buffers) =
            file.writev_at(vec![b"abc".to_vec(), Vec::new(), b"defgh".to_vec()], 2).await;
        assert_eq!((written.unwrap(), buffers.len()), (8, 3));
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0abcdefgh");
        let buffers = vec![Vec::with_capacity(3), Vec::new(), vec![9; 5], Vec::with_capacity(4)];
        let (read, buffers) = file.readv_at(buffers, 2).await;
        assert_eq!(read.unwrap(), 8);
        assert_eq!(buffers, [b"abc".to_vec(), Vec::new(), b"defgh".to_vec(), Vec::new()]);
        assert_eq!(file.readv_at(vec![Vec::<u8>::new(); 3], 0).await.0.unwrap(), 0);
        assert_eq!(file.writev_at(Vec::<Vec<u8>>::new(), 0).await.0.unwrap(), 0);
        let refused = file.writev_at(vec![vec![1]], u64::MAX).await.0.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    });
}

/// 40 lie in a block of the loop's pool; 1,000 are several ops, and no call takes more than 1,024 (IOV_MAX); more at a time than there are blocks wait
/// for some.
#[test]
fn r10_many_segments_are_never_cut_off() {
    each_driver(|folder| async move {
        let path = folder.path("file");
        let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
        for count in [32, 33, 40, 256, 257, 1000, 1024, 1025, 2500] {
            file.set_len(0).await.unwrap();
            let buffers: Vec<_> =
                (0..count).map(|number| vec![number as u8; 1 + number % 5]).collect();
            let total: usize = buffers.iter().map(Vec::len).sum();
            let expected = buffers.concat();
            let (written, mut buffers) = file.writev_at(buffers, 0).await;
            assert_eq!(written.unwrap(), total);
            assert_eq!(std::fs::read(&path).unwrap(), expected);
            buffers.iter_mut().for_each(|buffer| buffer.fill(0xEE));
            let (read, buffers) = file.readv_at(buffers, 0).await;
            assert_eq!((read.unwrap(), buffers.concat()), (total, expected));
        }
    });
}

#[test]
fn more_vectored_ops_than_blocks_wait_for_room() {
    each_driver(|folder| async move {
        let file = std::sync::Arc::new(File::create(folder.path("file")).await.unwrap());
        let tasks: Vec<_> = (0..150_u64)
            .map(|number| {
                let file = file.clone();
                wakering::task::spawn(async move {
                    let buffers = vec![vec![number as u8; 10]; 100];
                    file.writev_at(buffers, number * 1000).await.0.unwrap()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 1000);
        }
        let whole = std::fs::read(folder.path("file")).unwrap();
        assert!(whole.iter().enumerate().all(|(at, &byte)| byte == (at / 1000) as u8));
        assert_eq!(whole.len(), 150_000);
    });
}
