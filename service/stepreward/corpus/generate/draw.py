"""What templates draw from: people, things, places and numbers."""

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")


def _each(names: str) -> tuple[str, ...]:
    """A list written with spaces; a hyphen stands for a space inside a name."""
    return tuple(name.replace("-", " ") for name in names.split())


_SHE = _each(
    "Amara Beatriz Clara Daniela Elif Fatima Greta Hana Ingrid Jasmine Kavya Leila Mei Nadia Olga Priya Rosa Sofia "
    "Tara Uma Vera Wanda Yuki Zoe Aisha Bianca Carmen Dalia Esther Freya Gloria Helen Irene Joyce Keiko Lucia Maya "
    "Naomi Paula Ruth Simone Teresa Valerie Wren"
)
_HE = _each(
    "Ahmed Bruno Carlos Diego Emil Farid Gavin Hugo Ivan Jamal Kenji Liam Marco Nikolai Omar Pedro Quentin Ravi Samuel "
    "Tomas Umar Victor Walter Yusuf Zane Anton Boris Cedric Dmitri Edgar Felix George Hassan Igor Jorge Karl Leon "
    "Mateo Noah Oscar Paul Rafael Stefan Theo"
)
NAMES = frozenset(_SHE + _HE)
_THINGS = _each(
    "stickers marbles postcards seashells comic-books coins stamps buttons keychains bottle-caps badges trading-cards "
    "pencils beads crayons toy-cars balloons magnets bookmarks ribbons candles puzzles acorns pebbles"
)
_TOWNS = _each(
    "Ashford Brookfield Camden Dunmore Eastvale Fairview Glenwood Harbor-Point Ironbridge Kingsley Lakeside Milton"
)
_FRUIT = _each("apples pears oranges peaches mangoes plums lemons apricots kiwis nectarines grapefruits pomegranates")


@dataclass(frozen=True)
class Person:
    name: str
    he: str
    him: str
    his: str

    @property
    def He(self) -> str:  # noqa: N802 - the capital letter is the meaning
        return self.he.capitalize()


class Draw:
    """A source of everything random in a template; the same `rng` state gives the same problem."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def whole(self, low: int, high: int, step: int = 1) -> int:
        """Both ends may be drawn, the upper one if a whole number of steps leads to it."""
        return self.rng.randrange(low, high + 1, step)

    def other(self, low: int, high: int, *taken: int) -> int:
        """A whole number that is none of `taken`."""
        while (number := self.rng.randint(low, high)) in taken:
            pass
        return number

    def price(self, low: int, high: int) -> Fraction:
        """Dollars: mostly whole, sometimes with halves or quarters."""
        return self.whole(low, high) + self.rng.choice(
            (Fraction(),) * 4 + (Fraction(1, 2), Fraction(1, 4), Fraction(3, 4))
        )

    def pick(self, *options: T) -> T:
        return self.rng.choice(options)

    def some(self, count: int, *options: T) -> list[T]:
        """`count` different ones."""
        return self.rng.sample(options, count)

    def maybe(self, chance: float = 0.5) -> bool:
        return self.rng.random() < chance

    def person(self) -> Person:
        return self.people(1)[0]

    def people(self, count: int) -> list[Person]:
        chosen = self.rng.sample(_SHE + _HE, count)
        return [
            Person(name, "she", "her", "her") if name in _SHE else Person(name, "he", "him", "his") for name in chosen
        ]

    def thing(self) -> str:
        return self.things(1)[0]

    def things(self, count: int) -> list[str]:
        return self.rng.sample(_THINGS, count)

    def town(self) -> str:
        return self.towns(1)[0]

    def towns(self, count: int) -> list[str]:
        return self.rng.sample(_TOWNS, count)

    def fruit(self) -> str:
        return self.rng.choice(_FRUIT)

    def letter(self) -> str:
        """A letter for an unknown that is no English word."""
        return self.rng.choice("xyznmtwpk")


def numbers(**values: int | Fraction) -> dict[str, Fraction | tuple[Fraction, ...]]:
    """Named quantities of a problem."""
    return {name: Fraction(value) for name, value in values.items()}


def named(names: str) -> frozenset[str]:
    """Names of quantities, separated by spaces."""
    return frozenset(names.split())
