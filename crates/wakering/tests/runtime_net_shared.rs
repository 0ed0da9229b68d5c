//! Sockets that several have: how one of them ends what another waits for.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use wakering::cancel::{CancelToken, with_cancel};
use wakering::net::TcpListener;
use wakering::task::spawn_local;
use wakering::time::sleep;

#[path = "support/around.rs"]
mod around;
#[path = "support/drivers.rs"]
mod drivers;

use around::{ANYWHERE, alone, descriptors, pair};
use drivers::personalities;

/// Until whatever was spawned waits.
const A_WHILE: Duration = Duration::from_millis(5);

#[test]
fn a_shutdown_by_reference_ends_a_read_and_a_write_that_are_pending() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let before = descriptors();
            let (_client, server) = pair().await;
            let server = Arc::new(server);
            let (reads, writes) = (server.clone(), server.clone());
            let reading = spawn_local(async move { reads.read(Vec::with_capacity(8)).await });
            // More than both ends have room for.
            let writing = spawn_local(async move { writes.write_all(vec![7; 32 << 20]).await });
            sleep(A_WHILE).await;
            server.shutdown(Shutdown::Both).unwrap();
            assert_eq!(reading.await.unwrap().0.unwrap(), 0, "the end");
            let (written, back) = writing.await.unwrap();
            assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(back.len(), 32 << 20);
            let last = Arc::into_inner(server).expect("the others are gone");
            last.close().await;
            assert_eq!(descriptors(), before + 1, "the client is left");
        });
    }
}

#[test]
fn a_token_ends_an_accept_through_another_reference_and_the_listener_stays() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        runtime.block_on(async {
            let before = descriptors();
            let listener = Arc::new(TcpListener::bind(ANYWHERE).unwrap());
            let token = CancelToken::new();
            let (waits, ended) = (listener.clone(), token.clone());
            let accepting = spawn_local(async move {
                let accept = with_cancel(&ended, waits.accept());
                accept.await.map(|_| ())
            });
            sleep(A_WHILE).await;
            token.cancel();
            let refused = accepting.await.unwrap().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ECANCELED));
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            drop(client);
            Arc::into_inner(listener).expect("the other is gone").close().await;
            assert_eq!(descriptors(), before);
        });
    }
}
