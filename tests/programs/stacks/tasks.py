"""Asyncio tasks at known places, for `strandline stacks`, since 3.9.

It prints one line of JSON: of each task, by its name, what it waits for and
its coroutines, [name, line], innermost first; then it waits until its
standard input ends.  "uvloop" as an argument: by that event loop.
"""

import asyncio
import json
import sys


class Endless:
    """An iterator whose next is never there."""

    def __init__(self, future):
        self.future = future

    def __aiter__(self):
        return self

    async def __anext__(self):
        await self.future  # Endless.__anext__


class Awaitable:
    """By a generator, as libraries do it."""

    def __init__(self, future):
        self.future = future

    def __await__(self):
        yield from self.future.__await__()  # Awaitable.__await__


async def leaf(future):
    await future  # leaf


async def middle(future):
    await leaf(future)  # middle


async def generate(future):
    await future  # generate
    yield 1


async def over_generator(future):
    async for _ in generate(future):  # over_generator
        pass


async def over_iterator(future):
    async for _ in Endless(future):  # over_iterator
        pass


async def by_generator(future):
    await Awaitable(future)  # by_generator


async def child(task):
    await task  # child


async def both(future):
    await asyncio.gather(leaf(future), middle(future))  # both


def lines():
    """Of the places that are named in comments."""
    with open(__file__, encoding="utf-8") as source:
        return {line.split("# ")[1].strip(): number
                for number, line in enumerate(source, 1)
                if line.count("# ") == 1}


def told(frames):
    """As this version names them: before 3.11, without the class."""
    at = lines()
    return [[name if sys.version_info >= (3, 11) else name.split(".")[-1],
             at[name]] for name in frames]


async def main():
    """Start them, tell where they will be, wait."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    places = {
        "deep": (middle(future), "Future", ["leaf", "middle"]),
        "generator": (over_generator(future), "Future",
                      ["generate", "over_generator"]),
        "iterator": (over_iterator(future), "Future",
                     ["Endless.__anext__", "over_iterator"]),
        "await": (by_generator(future), "Future",
                  ["Awaitable.__await__", "by_generator"]),
        "both": (both(future), "_GatheringFuture", ["both"]),
    }
    tasks = {name: loop.create_task(coroutine, name=name)
             for name, (coroutine, _, _) in places.items()}
    tasks["child"] = loop.create_task(child(tasks["deep"]), name="child")
    places["child"] = (None, "task deep", ["child"])
    await asyncio.sleep(0.1)
    print(json.dumps({name: [waits, told(frames)]
                      for name, (_, waits, frames) in places.items()}),
          flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for task in tasks.values():
        task.cancel()


if "uvloop" in sys.argv:
    import uvloop
    uvloop.install()
asyncio.run(main())
