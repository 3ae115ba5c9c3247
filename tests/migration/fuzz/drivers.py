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
        kinds=8,
    )  # fmt: skip
    draft.tag("driver", form)
    if form == "pool":
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
    form = draft.choose("loop", "gather", "tasks", "limited")
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
