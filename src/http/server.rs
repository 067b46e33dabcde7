//! The connections: accepting them, bounding them, and ending them in good order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// What a server allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open. Further ones wait in the system's queue.
    pub connections: usize,
    /// How long a request's head may take to arrive, and how long a connection may wait for its next request.
    pub head_timeout: Duration,
    /// How large a request's head may be, in bytes.
    pub head_size: usize,
    /// How long a client may refuse to take what is sent to it.
    pub stall_timeout: Duration,
    /// How long requests may take to end once the server is to stop.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            head_timeout: Duration::from_secs(30),
            head_size: 32 * 1024,
            stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// The address of a connection's other end: an extension of each of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Begins to listen. As many connections as are served at once may wait to be taken: by default so few may that a
/// thousand callers at once would be hung up on.
///
/// # Errors
/// If the address cannot be had.
pub fn listen(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a service can start again at once where connections of the last one are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(u32::try_from(limits.connections).unwrap_or(u32::MAX))
}

/// Serves connections until `shutdown` is cancelled, then takes no more, lets the requests under way end, and returns
/// how many were cut off because they took too long.
pub async fn run(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) -> usize {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_header_size(limits.head_size);
    // A connection that outlives the time to drain is dropped with this.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let io = TokioIo::new(Unstalled::new(stream, limits.stall_timeout));
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let answer = router.clone().call(request);
            async move { answer.await.map_err(|never: Infallible| never) }
        });
        let connection = graceful.watch(http.serve_connection(io, service));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "a connection broke");
            }
            drop(slot);
        });
    }
    drop(listener);
    let drained = tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await;
    let cut = if drained.is_ok() { 0 } else { connections.len() };
    connections.shutdown().await;
    cut
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
            }
            Some((stream, peer, slot))
        }
        Err(error) if is_of_one_connection(&error) => None,
        Err(error) => {
            // Most likely there are no file descriptors left: leave time for some to be closed.
            tracing::error!(%error, "cannot accept connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// A connection that breaks when its other end takes nothing for too long.
struct Unstalled {
    stream: TcpStream,
    patience: Duration,
    /// Set from the first write that had to wait until one that went on.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Unstalled {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + patience)));
        match sleep.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more")))
            }
        }
    }
}

impl AsyncRead for Unstalled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Unstalled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Running {
        address: SocketAddr,
        shutdown: CancellationToken,
        done: tokio::task::JoinHandle<usize>,
    }

    async fn start(router: Router, limits: Limits) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let done = tokio::spawn(run(listener, router, limits, shutdown.clone()));
        Running { address, shutdown, done }
    }

    async fn answer(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_end() {
        let (reached, mut arrived) = tokio::sync::mpsc::channel(1);
        let go = Arc::new(tokio::sync::Notify::new());
        let gate = Arc::clone(&go);
        let router = Router::new().route(
            "/",
            get(move || async move {
                reached.send(()).await.unwrap();
                gate.notified().await;
                "late"
            }),
        );
        let running = start(router, Limits::default()).await;
        let request = tokio::spawn(answer(running.address, GET));
        arrived.recv().await.unwrap();
        running.shutdown.cancel();
        go.notify_one();
        assert!(request.await.unwrap().ends_with("late"));
        assert_eq!(running.done.await.unwrap(), 0);
        assert!(TcpStream::connect(running.address).await.is_err());
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_off() {
        let (reached, mut arrived) = tokio::sync::mpsc::channel(1);
        let router = Router::new().route(
            "/",
            get(move || async move {
                reached.send(()).await.unwrap();
                std::future::pending::<&str>().await
            }),
        );
        let limits = Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() };
        let running = start(router, limits).await;
        let request = tokio::spawn(answer(running.address, GET));
        arrived.recv().await.unwrap();
        running.shutdown.cancel();
        assert_eq!(running.done.await.unwrap(), 1);
        assert_eq!(request.await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_cut_off() {
        let (ended, mut end) = tokio::sync::mpsc::channel::<()>(1);
        let router = Router::new().route(
            "/",
            get(move || {
                let ended = ended.clone();
                async move {
                    let endless = futures_util::stream::repeat_with(move || {
                        let _lives_as_long_as_the_stream = &ended;
                        Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 65536]))
                    });
                    Body::from_stream(endless)
                }
            }),
        );
        let limits = Limits { stall_timeout: Duration::from_millis(50), ..Limits::default() };
        let running = start(router, limits).await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        running.shutdown.cancel();
        // The router, and with it the sender, goes when the server has ended by itself.
        assert_eq!(running.done.await.unwrap(), 0);
        assert_eq!(end.recv().await, None);
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let router = Router::new().route("/", get(|| async { "here" }));
        let running = start(router, Limits::default()).await;
        let long = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "x".repeat(40_000));
        let text = answer(running.address, &long).await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    }
}
