"""What calls `ask`: loops, pools, event loops; and what the program does with the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

SUBJECTS = ("What moved in BTC?", "Trend of SOL?", "Risk of ETH now?", "Close positions?", "Whale inflow?")


def draw_driver(draft: Draft, ask: str, questions: int) -> str:
    """Draw the program's last part, which asks the questions; `ask` is the expression that asks `prompt`."""
    prompts = [f'"Q{at + 1}: {SUBJECTS[at % len(SUBJECTS)]}"' for at in range(questions)]
    setup = f"PROMPTS = [{', '.join(prompts)}]\n\n\n"
    if draft.asynchronous:
        return setup + _asynchronous(draft, ask)
    has_history = "messages:history" in draft.tags  # which questions that are asked at once would mix up
    form = draft.pick(
        loop=40, uncaught=12, main=15, pool=0 if has_history else 5, decisions=8, exit_code=5, file=4, comprehension=3,
        kinds=8, threads=0 if has_history else 3, futures=0 if has_history else 3, cached=2, stopped=2, generator=2,
        to_thread=0 if has_history else 2,
    )  # fmt: skip
    draft.tag("driver", form)
    if form in ("pool", "futures"):
        draft.add_import("from concurrent.futures import ThreadPoolExecutor")
    if form == "exit_code":
        draft.add_import("import sys")
    if form == "file":
        draft.add_import("import pathlib")
    return setup + code(_SYNCHRONOUS[form], ask=ask)


_SYNCHRONOUS = {
    "loop": """
        for prompt in PROMPTS:
            try:
                print("->", <ask>)
            except Exception:
                print("failed outside")
        """,
    "uncaught": "for prompt in PROMPTS:\n    print('->', <ask>)",
    "main": """
        def main():
            for prompt in PROMPTS:
                try:
                    answer = <ask>
                    print("answer:", answer)
                except Exception as error:
                    print(f"~ failed: {error}")


        if __name__ == "__main__":
            main()
        """,
    "pool": """
        def safely(prompt):
            try:
                return <ask>
            except Exception:
                return "failed outside"


        with ThreadPoolExecutor(max_workers=2) as pool:
            for answer in pool.map(safely, PROMPTS):
                print(answer)
        """,
    "decisions": """
        position = 10
        for prompt in PROMPTS:
            try:
                answer = str(<ask>)
            except Exception:
                answer = "ERROR"
            if "BUY" in answer.upper():
                position += 1
            elif "SELL" in answer.upper() or not answer:
                position -= 1
            elif "ERROR" in answer:
                position = 0
            print(position)
        """,
    "threads": """
        import threading

        answers = {}


        def work(prompt):
            try:
                answers[prompt] = <ask>
            except Exception:
                answers[prompt] = "failed outside"


        threads = [threading.Thread(target=work, args=(prompt,), daemon=True) for prompt in PROMPTS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sorted(answers.items(), key=str))
        """,
    "futures": """
        def work(prompt):
            return <ask>


        with ThreadPoolExecutor(max_workers=2) as pool:
            futures = {pool.submit(work, prompt): prompt for prompt in PROMPTS}
            for future in futures:
                print(futures[future], "failed" if future.exception() else future.result())
        """,
    "cached": """
        import functools


        @functools.lru_cache(maxsize=None)
        def answer_to(prompt):
            return <ask>


        for prompt in [*PROMPTS, PROMPTS[0]]:
            try:
                print("->", answer_to(prompt))
            except Exception:
                print("failed outside")
        """,
    "stopped": """
        def run():
            prompts = iter(PROMPTS)
            while (prompt := next(prompts, None)) is not None:
                try:
                    answer = <ask>
                except Exception as error:
                    print("stopping", error is None)
                    return 1
                print(answer)
            return 0


        raise SystemExit(run())
        """,
    "generator": """
        def answers():
            for prompt in PROMPTS:
                yield <ask>


        try:
            for number, answer in enumerate(answers()):
                print(number, answer)
        except Exception:
            print("failed outside")
        """,
    "to_thread": """
        import asyncio


        async def main():
            for prompt in PROMPTS:
                try:
                    print("->", await asyncio.to_thread(lambda: <ask>))
                except Exception:
                    print("failed outside")


        asyncio.run(main())
        """,
    "exit_code": """
        failures = 0
        for prompt in PROMPTS:
            try:
                if not <ask>:
                    failures += 10
            except Exception:
                failures += 1
        sys.exit(failures)
        """,
    "file": """
        out = pathlib.Path("answers.txt")
        for prompt in PROMPTS:
            try:
                answer = <ask>
                with out.open("a") as file:
                    file.write(f"{answer}\\n")
            except Exception:
                print("failed outside")
        print(out.read_text())
        """,
    "comprehension": """
        try:
            print([<ask> for prompt in PROMPTS[:2]])
        except Exception:
            print("failed outside")
        """,
    "kinds": """
        for prompt in PROMPTS:
            try:
                print("->", <ask>)
            except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
                print("unreadable", type(error).__name__)
            except Exception:
                print("failed outside")
        """,
}


def _asynchronous(draft: Draft, ask: str) -> str:
    draft.add_import("import asyncio")
    form = draft.choose("loop", "gather", "tasks", "limited", "group", "semaphore")
    draft.tag("driver", f"async {form}")
    texts = {
        "loop": """
            async def main():
                for prompt in PROMPTS:
                    try:
                        print("->", await <ask>)
                    except Exception:
                        print("failed outside")


            asyncio.run(main())
            """,
        "gather": """
            async def main():
                answers = await asyncio.gather(*(<ask> for prompt in PROMPTS), return_exceptions=True)
                for answer in answers:
                    print("failed outside" if isinstance(answer, Exception) else answer)


            asyncio.run(main())
            """,
        "tasks": """
            async def main():
                tasks = [asyncio.create_task(<ask>) for prompt in PROMPTS]
                for task in tasks:
                    try:
                        print("->", await task)
                    except Exception:
                        print("failed outside")


            asyncio.run(main())
            """,
        "group": """
            async def safely(prompt):
                try:
                    return await <ask>
                except Exception:
                    return "failed outside"


            async def main():
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(safely(prompt)) for prompt in PROMPTS]
                print([task.result() for task in tasks])


            asyncio.run(main())
            """,
        "semaphore": """
            async def limited(limit, prompt):
                async with limit:
                    try:
                        return await <ask>
                    except Exception:
                        return "failed outside"


            async def main():
                limit = asyncio.Semaphore(2)
                print(await asyncio.gather(*[limited(limit, prompt) for prompt in PROMPTS]))


            asyncio.run(main())
            """,
        "limited": """
            async def main():
                for prompt in PROMPTS:
                    try:
                        print("->", await asyncio.wait_for(<ask>, timeout=60))
                    except Exception:
                        print("failed outside")


            asyncio.run(main())
            """,
    }
    return code(texts[form], ask=ask)
