/*
 * TRUTH own::kept calls=1001 bytes=108000 live=108000 blocks=1001
 * TRUTH own::aligned calls=11 bytes=82000 live=82000 blocks=11
 * TRUTH own::grown calls=9 bytes=16352 live=0 blocks=0
 * TRUTH own::zeroed calls=10 bytes=40960 live=0 blocks=0
 * TRUTH own::made calls=20000 bytes=1280000 live=0 blocks=0
 *
 * kept() and aligned() count the vector that holds their boxes, too; what
 * made() makes in one thread is dropped by another.
 */
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::sync::mpsc;

#[repr(align(4096))]
struct Page(#[allow(dead_code)] [u8; 8192]);

#[inline(never)]
fn kept() -> Vec<Box<[u8; 100]>> {
    let mut boxes = Vec::with_capacity(1000);
    for i in 0..1000 {
        boxes.push(Box::new([i as u8; 100]));
    }
    boxes
}

#[inline(never)]
fn aligned() -> Vec<Box<Page>> {
    let mut pages = Vec::with_capacity(10);
    for _ in 0..10 {
        pages.push(Box::new(Page([1; 8192])));
    }
    pages
}

#[inline(never)]
fn grown() -> usize {
    let mut numbers: Vec<u64> = Vec::with_capacity(4);
    for i in 0..1000 {
        numbers.push(black_box(i));
    }
    numbers.len()
}

#[inline(never)]
fn zeroed() -> u8 {
    (0..10).map(|_| black_box(vec![0u8; 4096])[17]).sum()
}

#[inline(never)]
fn made() -> Box<[u64; 8]> {
    black_box(Box::new([7; 8]))
}

fn main() {
    let (boxes, pages) = (kept(), aligned());
    let (sender, receiver) = mpsc::sync_channel(100);
    let thread = std::thread::spawn(move || {
        for _ in 0..20000 {
            sender.send(made()).unwrap();
        }
    });
    let sum: u64 = receiver.iter().map(|block| block[3]).sum();

    thread.join().unwrap();
    println!("{} {} {} {} {sum}", boxes.len(), pages.len(), grown(), zeroed());
    std::mem::forget((boxes, pages));
    std::process::exit(23);
}
