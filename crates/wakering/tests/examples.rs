//! The examples run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Built beside the tests, where all of them are.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        built.exists(),
        "not built: `cargo build -p wakering --examples`, or a whole `cargo test`"
    );
    built
}

#[test]
fn the_echo_server_serves_and_ends() {
    let mut server = Command::new(example("echo"))
        .args(["127.0.0.1:0", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    for client in 0..3u8 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&[client; 100_000]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        assert!(back == [client; 100_000]);
    }
    assert!(server.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().filter(|line| line.ends_with(": 100000 bytes")).count(), 3, "{rest}");
}

#[test]
fn the_echo_server_says_what_is_wrong_with_an_address() {
    let told = Command::new(example("echo")).arg("nowhere").output().unwrap();
    assert!(!told.status.success());
    let why = String::from_utf8(told.stderr).unwrap();
    assert!(why.contains("\\\"nowhere\\\" is no address"), "{why}");
}
