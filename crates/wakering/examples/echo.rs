//! An echo server: what a client sends comes back.
//!
//! ```sh
//! cargo run --release --example echo -- 127.0.0.1:7000        # until it is told to end: Ctrl-C
//! cargo run --release --example echo -- 127.0.0.1:7000 10     # until the tenth client has gone
//! ```

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::io;
use std::net::SocketAddr;
use wakering::Runtime;
use wakering::net::{TcpListener, TcpStream};
use wakering::task::spawn;

/// Sends back what comes, until the end. How many bytes.
async fn echo(stream: TcpStream) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut echoed = 0;
    loop {
        let read;
        (read, buffer) = stream.read(buffer).await;
        match read? {
            0 => return Ok(echoed),
            count => echoed += count as u64,
        }
        let written;
        (written, buffer) = stream.write_all(buffer).await;
        written?;
    }
}

/// A task for each client. Ends when so many have come and gone.
async fn serve(listener: TcpListener, clients_max: usize) -> io::Result<()> {
    let mut serving = Vec::new();
    while serving.len() < clients_max {
        let (stream, peer) = listener.accept().await?;
        let client = spawn(async move {
            match echo(stream).await {
                Ok(bytes) => println!("{peer}: {bytes} bytes"),
                // A client that goes in the middle is its own affair.
                Err(error) => println!("{peer}: {error}"),
            }
        });
        match clients_max {
            usize::MAX => client.detach(),
            _ => serving.push(client),
        }
    }
    for client in serving {
        let _ended = client.await;
    }
    Ok(())
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let address: SocketAddr = address
        .parse()
        .map_err(|_| invalid(format!("{address:?} is no address: give one like 127.0.0.1:7000")))?;
    let clients_max = match arguments.next() {
        None => usize::MAX,
        Some(number) => {
            number.parse().map_err(|_| invalid(format!("{number:?} is no number of clients")))?
        }
    };
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address)?;
        println!("listening on {}", listener.local_addr()?);
        runtime.spawn(serve(listener, clients_max)).await.map_err(io::Error::other)?
    })
}
