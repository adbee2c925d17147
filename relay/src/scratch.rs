//! A buffer that a thread has for all its connections.

use std::cell::RefCell;

/// Large enough that a system call is cheap beside what it moves, small enough to stay in a processor's cache.
pub const SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Works with the buffer, whose content is anything. It is not to be asked for again from within.
pub fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| work(buffer))
}
