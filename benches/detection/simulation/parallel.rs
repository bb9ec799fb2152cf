//! Work on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `simulate` makes of each of `asked`, in their order, on all cores.
pub fn in_parallel<Asked: Sync, Cell: Send>(asked: &[Asked], simulate: impl Fn(&Asked) -> Cell + Sync) -> Vec<Cell> {
    let cells: Vec<Mutex<Option<Cell>>> = asked.iter().map(|_| Mutex::new(None)).collect();
    let left = AtomicUsize::new(asked.len());
    let work = || {
        // From the end, where the largest are, so that no thread is left alone with them.
        while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            let cell = simulate(&asked[number - 1]);
            *cells[number - 1].lock().expect("no thread panics with it") = Some(cell);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let cells = cells.into_iter().map(|cell| cell.into_inner().expect("no thread panicked"));
    cells.map(|cell| cell.expect("all are simulated")).collect()
}
