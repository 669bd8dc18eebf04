"""``synthetic-zh-en``: the course's own Chinese→English sentences, drawn from a synchronous grammar.

A synchronous grammar writes two sentences at once: each rule has a Chinese side and an English side with the same children,
often in another order. So word order really crosses (time and place before the verb, relative clauses before their noun,
因为 … 所以 …), every pair is a correct translation, and the true word alignment is known, because an English word and the
Chinese word that it came from are leaves of one tree. A Chinese sentence has exactly one translation here.

    >>> pair = corpus(1, seed=7)[0]
    >>> print(*pair.source, "->", *pair.target)
    她 上 个 星期 把 杯子 打破 了 -> she broke the cup last week

What it is not: a sample of how people write. It says nothing about how a model would fare on real text.

This file has three parts: the lexicon and the rules (data), and the engine that draws from them.

How to read a rule, Chinese => English:

- Words in capitals are children; each is expanded by a rule of its own or is a class of the lexicon. Digits only tell two
  children of a kind apart (CITY1, CITY2; they come out different). Everything else is a word of the language itself.
- ``OBJECT(V)``: the object must go with the verb drawn for V (one eats hamburgers and reads books).
- ``V:past``: the form wanted. ``V:present@SUBJECT``, ``be@SUBJECT``: the form that agrees with the subject.
- ``V*``: the head. It takes the form that the phrase as a whole was asked for, and gives the phrase its person and number.
- ``了/V``, ``did/1``: an alignment. Words of the two sides with the same mark are translations of each other.
- A number in front is the rule's weight; ``plural`` in front makes the phrase a plural.
"""

# ruff: noqa: E501  (a rule is a line)

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import accumulate, pairwise

# ---- the lexicon --------------------------------------------------------------------------------------------------

# kinds | classifier, and what English says for it if anything | Chinese English[/irregular plural], …
# A noun in [brackets] has no plural: it is counted by its classifier alone (two cups of tea).
NOUNS = """
food cooked gift | 个     | 汉堡 hamburger, 三明治 sandwich
food gift       | 个      | 苹果 apple, 鸡蛋 egg, 西红柿 tomato/tomatoes, 橙子 orange
dish            | 碗 bowl | 米饭 [rice], 面条 [noodles]
drink           | 杯 cup  | 茶 [tea], 咖啡 [coffee]
drink           | 杯 glass| 水 [water], 牛奶 [milk], 果汁 [juice]
text written    | 封      | 信 letter
text ware       | 本      | 书 book, 杂志 magazine
text written ware gift | 本 | 小说 novel
text written    | 首      | 诗 poem
clothes ware gift | 件    | 毛衣 sweater, 大衣 coat, 衬衫 shirt
clothes ware gift | 条    | 裙子 skirt
hat ware gift   | 顶      | 帽子 hat
crockery ware   | 个      | 杯子 cup, 盘子 plate
tool ware       | 把      | 刀 knife/knives
thing ware gift | 把      | 钥匙 key, 雨伞 umbrella
thing ware device gift | 部 | 手机 phone
thing ware device | 台    | 电脑 computer
thing box ware gift | 个  | 箱子 box
vehicle ware device ridden | 辆 | 自行车 bicycle
vehicle ware device | 辆  | 汽车 car
animal          | 只      | 猫 cat, 狗 dog, 鸟 bird, 羊 sheep/sheep, 老鼠 mouse/mice
animal ridden   | 匹      | 马 horse
opening         | 扇      | 门 door
opening pane    | 扇      | 窗户 window
"""

PEOPLE = """
老师 teacher, 学生 student, 医生 doctor, 司机 driver, 警察 police_officer, 客人 guest, 工人 worker,
孩子 child/children, 男孩 boy, 女孩 girl, 女人 woman/women, 男人 man/men
"""
FRIENDS = "朋友 friend, 老师 teacher, 学生 student, 同事 colleague, 医生 doctor"
FAMILY = "妈妈 mother, 爸爸 father, 哥哥 older_brother, 弟弟 younger_brother, 姐姐 older_sister, 妹妹 younger_sister"
FURNITURE = "桌子 table, 椅子 chair, 床 bed"
NAMES = "小明 Xiaoming, 小红 Xiaohong, 李华 Li_Hua"
CITIES = "北京 Beijing, 上海 Shanghai, 广州 Guangzhou, 成都 Chengdu"
TRANSPORT = "火车 train, 飞机 plane, 公共汽车 bus"
PLACES = """
学校 the_school, 图书馆 the_library, 公园 the_park, 医院 the_hospital, 商店 the_shop, 餐馆 the_restaurant,
厨房 the_kitchen, 花园 the_garden
"""
COUNTS = "两 two, 三 three, 四 four, 五 five"
NUMBERS = COUNTS + ", 几 several"

# Chinese | English: subject, object, possessive | person and number
PRONOUNS = """
我 | I me my | 1
你 | you you your | plural
他 | he him his | 3
她 | she her her | 3
我们 | we us our | plural
他们 | they them their | plural
"""

# class | Chinese | English: base [past participle] | the kinds of nouns that it takes
VERBS = """
V | 吃 | eat ate eaten        | food dish
V | 喝 | drink drank drunk    | drink
V | 做 | make made made       | cooked dish
V | 读 | read read read       | text
V | 写 | write wrote written  | written
V | 洗 | wash                 | clothes crockery vehicle tool
V | 画 | draw drew drawn      | animal vehicle clothes
V | 骑 | ride rode ridden     | ridden
V | 喂 | feed fed fed         | animal
V | 找 | look_for             | thing animal hat tool
BUY | 买 | buy bought bought  | food dish drink ware text animal
BUY | 卖 | sell sold sold     | ware
BUY | 借 | borrow             | ware
R | 打破 | break broke broken | crockery pane
R | 打开 | open               | opening box
R | 关上 | close              | opening box
R | 修好 | repair             | device opening
R | 偷走 | steal stole stolen | ware animal
R | 拿走 | take_away took_away taken_away | ware text crockery
R | 吃掉 | eat_up ate_up eaten_up | food
R | 找到 | find found found   | thing animal hat text
SEE | 看见 | see saw seen     | animal vehicle hat
P | 看见 | see saw seen       |
P | 帮助 | help               |
P | 邀请 | invite             |
P | 批评 | criticize          |
P | 表扬 | praise             |
INTRANSITIVE | 唱歌 | sing sang sung |
INTRANSITIVE | 跳舞 | dance          |
INTRANSITIVE | 睡觉 | sleep slept slept |
INTRANSITIVE | 工作 | work           |
INTRANSITIVE | 跑步 | run ran run    |
LIKE | 喜欢 | like            | food dish drink text animal vehicle hat clothes
NEED | 需要 | need            | ware thing clothes
WEAR | 穿 | wear wore worn    | clothes
WEAR | 戴 | wear wore worn    | hat
GIVE | 给 | give gave given   | gift text
LEND | 借给 | lend lent lent  | ware
PUT | 放 | put put put        | food text clothes hat crockery tool thing
GO | 去 | go went gone        |
KNOW | 认识 | know knew known |
SAY | 说 | say said said      |
SAY | 知道 | know knew known  |
SAY | 觉得 | think thought thought |
"""

# Chinese | English [comparative; none: more …] | the kinds of nouns that it describes
ADJECTIVES = """
新   | new newer       | text ware vehicle clothes crockery tool
旧   | old older       | text ware vehicle clothes
大   | big bigger      | food animal box crockery opening tool hat
小   | small smaller   | food animal box crockery opening hat
红   | red redder      | clothes vehicle hat opening crockery
热   | hot hotter      | drink dish
好喝 | tasty tastier   | drink
好吃 | delicious       | food dish
便宜 | cheap cheaper   | ware food dish drink vehicle
贵   | expensive       | ware vehicle drink
漂亮 | beautiful       | clothes hat animal vehicle
有趣 | interesting     | text
"""
FEELINGS = "高 tall/taller, 忙 busy/busier, 高兴 happy/happier, 累 tired, 饿 hungry/hungrier, 年轻 young/younger"

PAST_TIMES = "昨天 yesterday, 昨天_晚上 last_night, 上_个_星期 last_week, 今天_早上 this_morning, 去年 last_year"
FUTURE_TIMES = "明天 tomorrow, 今天_晚上 tonight, 下_个_星期 next_week, 明天_早上 tomorrow_morning"
HABIT_TIMES = "每天 every_day, 每天_早上 every_morning, 每_个_星期 every_week"
HOW_OFTEN = "常常 often, 总是 always, 有时候 sometimes"
MODALS = "会 will, 可以 can, 应该 should, 必须 must"

# The classes whose words never change.
PLAIN = {
    "RELATIVE": FAMILY,
    "FURNITURE": FURNITURE,
    "NAME": NAMES,
    "CITY": CITIES,
    "TRANSPORT": TRANSPORT,
    "PLACE": PLACES,
    "COUNT": COUNTS,
    "NUMBER": NUMBERS,
    "PAST_TIME": PAST_TIMES,
    "FUTURE_TIME": FUTURE_TIMES,
    "HABIT_TIME": HABIT_TIMES,
    "HOW_OFTEN": HOW_OFTEN,
    "MODAL": MODALS,
}

# ---- the rules ----------------------------------------------------------------------------------------------------

RULES = """
SENTENCE
  8 STATEMENT => STATEMENT
  3 QUESTION => QUESTION
  6 COMPLEX => COMPLEX

STATEMENT
  6 PAST => PAST
  2 EXPERIENCE => EXPERIENCE
  2 PROGRESSIVE => PROGRESSIVE
  2 HABIT => HABIT
  2 FUTURE => FUTURE
  3 WISH => WISH
  2 STATE => STATE
  2 COMPARISON => COMPARISON

PAST
  4 PAST_TIME AGENT DO:了 => AGENT DO:past PAST_TIME
  4 SUBJECT PAST_TIME DO:了 => SUBJECT DO:past PAST_TIME
  2 SUBJECT PAST_TIME 没/1 ACT_ON => SUBJECT did/1 not/1 ACT_ON PAST_TIME
  2 PAST_TIME AGENT 把 PATIENT(R) R:了 => AGENT R:past PATIENT(R) PAST_TIME
  2 SUBJECT PAST_TIME 把 PATIENT(R) R:了 => SUBJECT R:past PATIENT(R) PAST_TIME
  2 SUBJECT PAST_TIME 把 PATIENT(PUT) PUT 在/1 了/PUT FURNITURE 上/1 => SUBJECT PUT:past PATIENT(PUT) on/1 the/1 FURNITURE PAST_TIME
  3 PATIENT(R) PAST_TIME 被/1 AGENT R:了 => PATIENT(R) was@PATIENT R:participle by/1 AGENT:object PAST_TIME
  1 SUBJECT PAST_TIME 被/1 AGENT P:了 => SUBJECT was@SUBJECT P:participle by/1 AGENT:object PAST_TIME

EXPERIENCE
  3 SUBJECT V 过/1 BARE(V) => SUBJECT have@SUBJECT/1 V:participle BARE(V)
  2 SUBJECT V 过/1 KNOWN(V) => SUBJECT have@SUBJECT/1 V:participle KNOWN(V)
  2 SUBJECT 没/2 V 过/1 BARE(V) => SUBJECT have@SUBJECT/1 never/2 V:participle BARE(V)
  1 SUBJECT GO 过/1 CITY => SUBJECT have@SUBJECT/1 been/GO to/GO CITY

PROGRESSIVE
  3 SUBJECT 正在/1 ACT => SUBJECT be@SUBJECT/1 ACT:ing
  2 SUBJECT 在/1 ACT => SUBJECT be@SUBJECT/1 ACT:ing
  3 SUBJECT 正/1 AT ACT => SUBJECT be@SUBJECT/1 ACT:ing AT

HABIT
  2 SUBJECT HABIT_TIME ROUTINE => SUBJECT ROUTINE:present@SUBJECT HABIT_TIME
  2 HABIT_TIME AGENT ROUTINE => AGENT ROUTINE:present@AGENT HABIT_TIME
  2 SUBJECT HOW_OFTEN ROUTINE => SUBJECT HOW_OFTEN ROUTINE:present@SUBJECT

FUTURE
  2 SUBJECT FUTURE_TIME 会/1 DO => SUBJECT will/1 DO FUTURE_TIME
  2 FUTURE_TIME AGENT 会/1 DO => AGENT will/1 DO FUTURE_TIME
  1 SUBJECT FUTURE_TIME 不/1 会/1 ACT_ON => SUBJECT will/1 not/1 ACT_ON FUTURE_TIME

WISH
  3 SUBJECT 想/1 V BARE(V) => SUBJECT want@SUBJECT/1 to/1 V BARE(V)
  1 SUBJECT 想/1 BUY BARE(BUY) => SUBJECT want@SUBJECT/1 to/1 BUY BARE(BUY)
  2 SUBJECT FUTURE_TIME 想/1 DO => SUBJECT want@SUBJECT/1 to/1 DO FUTURE_TIME
  1 SUBJECT 不/2 想/1 ACT_ON => SUBJECT do@SUBJECT/2 not/2 want/1 to/1 ACT_ON
  3 SUBJECT MODAL DO => SUBJECT MODAL DO
  2 SUBJECT 想/1 DO => SUBJECT want@SUBJECT/1 to/1 DO
  1 SUBJECT 不/1 应该/2 ACT_ON => SUBJECT should/2 not/1 ACT_ON

STATE
  2 SUBJECT LIKE GENERIC(LIKE) => SUBJECT LIKE:present@SUBJECT GENERIC(LIKE)
  1 SUBJECT 不/1 LIKE GENERIC(LIKE) => SUBJECT do@SUBJECT/1 not/1 LIKE GENERIC(LIKE)
  2 SUBJECT NEED SOME(NEED) => SUBJECT NEED:present@SUBJECT SOME(NEED)
  1 SUBJECT KNOW WHOM => SUBJECT KNOW:present@SUBJECT WHOM:object
  2 SUBJECT 很/1 FEELING => SUBJECT be@SUBJECT/1 FEELING
  2 FURNITURE 上/1 PUT 着/PUT SOME(PUT) => there/PUT be@SOME/PUT SOME(PUT) on/1 the/1 FURNITURE

COMPARISON
  3 SUBJECT 比/1 AGENT FEELING => SUBJECT be@SUBJECT FEELING:more than/1 AGENT:object
  2 SUBJECT 没有/1 AGENT FEELING => SUBJECT be@SUBJECT/1 not/1 as FEELING as AGENT:object
  4 这/1 CL(N) N 比/2 那/3 CL ADJ(N) => this/1 CL N is ADJ:more than/2 that/3 one/CL

QUESTION
  3 SUBJECT PAST_TIME DO:了 吗/1 ？/2 => did/1 SUBJECT DO PAST_TIME ?/2
  2 SUBJECT HABIT_TIME ROUTINE 吗/1 ？/2 => do@SUBJECT/1 SUBJECT ROUTINE HABIT_TIME ?/2
  2 SUBJECT FUTURE_TIME 会/1 DO 吗 ？/2 => will/1 SUBJECT DO FUTURE_TIME ?/2
  2 SUBJECT 想/1 V BARE(V) 吗/2 ？/3 => do@SUBJECT/2 SUBJECT want/1 to/1 V BARE(V) ?/3
  1 SUBJECT LIKE GENERIC(LIKE) 吗/1 ？/2 => do@SUBJECT/1 SUBJECT LIKE GENERIC(LIKE) ?/2
  1 SUBJECT 正在/1 ACT 吗 ？/2 => be@SUBJECT/1 SUBJECT ACT:ing ?/2
  2 SUBJECT PAST_TIME AT V:了 什么/1 ？/2 => what/1 did/V SUBJECT V AT PAST_TIME ?/2
  2 SUBJECT 想/1 V 什么/2 ？/3 => what/2 do@SUBJECT SUBJECT want/1 to/1 V ?/3
  2 SUBJECT PAST_TIME AT P:了 谁/1 ？/2 => who/1 did/P SUBJECT P AT PAST_TIME ?/2
  1 谁/1 想/2 V BARE(V) ？/3 => who/1 wants/2 to/2 V BARE(V) ?/3
  2 谁/1 PAST_TIME 把 PATIENT(R) R:了 ？/2 => who/1 R:past PATIENT(R) PAST_TIME ?/2
  2 SUBJECT HABIT_TIME 在/1 哪里/1 V GENERIC(V) ？/2 => where/1 do@SUBJECT SUBJECT V GENERIC(V) HABIT_TIME ?/2
  1 SUBJECT 什么/1 时候/1 去/2 CITY ？/3 => when/1 will SUBJECT go/2 to/2 CITY ?/3
  1 SUBJECT PAST_TIME 为什么/1 没/2 ACT_ON ？/3 => why/1 did/2 SUBJECT not/2 ACT_ON PAST_TIME ?/3

COMPLEX
  3 STATEMENT1 ， 但是/1 STATEMENT2 => STATEMENT1 but/1 STATEMENT2
  2 虽然/1 STATEMENT1 ，/2 但是/1 STATEMENT2 => although/1 STATEMENT1 ,/2 STATEMENT2
  3 因为/1 STATEMENT1 ， 所以/1 STATEMENT2 => STATEMENT2 because/1 STATEMENT1
  3 AGENT SAY STATEMENT => AGENT SAY:present@AGENT that STATEMENT
  2 如果/1 SUBJECT1 FUTURE_TIME TRIP ，/2 SUBJECT2 就/3 会/3 DO => if/1 SUBJECT1 TRIP:present@SUBJECT1 FUTURE_TIME ,/2 SUBJECT2 will/3 DO
  2 PAST_TIME AGENT1 AT ACT1 的/1 时候/1 ，/2 AGENT2 正在/3 ACT2 => while/1 AGENT1 was@AGENT1 ACT1:ing AT PAST_TIME ,/2 AGENT2 was@AGENT2/3 ACT2:ing
  4 STORY => STORY

PLANS
  1 PLAN => PLAN
  2 SEVERAL_PLANS => SEVERAL_PLANS

SEVERAL_PLANS
  1 PLAN1 ，/1 PLAN2 => PLAN1 ,/1 and/1 PLAN2
  1 PLAN ，/1 SEVERAL_PLANS => PLAN ,/1 SEVERAL_PLANS

PLAN
  1 PRONOUN 想/1 AIM => PRONOUN want@PRONOUN/1 to/1 AIM
  1 PRONOUN FUTURE_TIME 想/1 AIM => PRONOUN want@PRONOUN/1 to/1 AIM FUTURE_TIME
  1 FUTURE_TIME PRONOUN 想/1 AIM => PRONOUN want@PRONOUN/1 to/1 AIM FUTURE_TIME
  1 PRONOUN MODAL AIM => PRONOUN MODAL AIM
  1 PRONOUN FUTURE_TIME MODAL AIM => PRONOUN MODAL AIM FUTURE_TIME
  1 FUTURE_TIME PRONOUN MODAL AIM => PRONOUN MODAL AIM FUTURE_TIME

AIM
  1 V* BARE(V) => V* BARE(V)
  1 AT V* BARE(V) => V* BARE(V) AT

STORY
  2 PAST1 ，/1 PAST2 => PAST1 ,/1 and/1 PAST2
  3 PAST ，/1 STORY => PAST ,/1 STORY

DO
  3 DEED* => DEED*
  3 AT DEED* => DEED* AT
  2 P* WHOM => P* WHOM:object
  1 AT P* WHOM => P* WHOM:object AT
  1 AT P* NUMBER 个 PERSON => P* NUMBER PERSON:plural AT
  1 GIVE* WHOM SOME(GIVE) => GIVE* WHOM:object SOME(GIVE)
  1 LEND* WHOM SOME(LEND) => LEND* WHOM:object SOME(LEND)
  2 TRIP* => TRIP*

DEED
  4 V* OBJECT(V) => V* OBJECT(V)
  3 BUY* OBJECT(BUY) => BUY* OBJECT(BUY)
  1 SEE* OBJECT(SEE) => SEE* OBJECT(SEE)

ACT_ON
  4 V* KNOWN(V) => V* KNOWN(V)
  2 BUY* KNOWN(BUY) => BUY* KNOWN(BUY)
  1 P* WHOM => P* WHOM:object
  1 TRIP* => TRIP*

ACT
  4 V* SOME(V) => V* SOME(V)
  1 INTRANSITIVE* => INTRANSITIVE*

ROUTINE
  3 V* GENERIC(V) => V* GENERIC(V)
  2 AT V* GENERIC(V) => V* GENERIC(V) AT
  1 AT INTRANSITIVE* => INTRANSITIVE* AT
  1 坐/1 TRANSPORT GO* CITY => GO* to/GO CITY by/1 TRANSPORT

TRIP
  3 坐/1 TRANSPORT GO* CITY => GO* to/GO CITY by/1 TRANSPORT
  1 从/1 CITY1 坐/2 TRANSPORT GO* CITY2 => GO* from/1 CITY1 to/GO CITY2 by/2 TRANSPORT

AT
  1 在/1 PLACE => in/1 PLACE

AGENT
  3 PRONOUN* => PRONOUN*
  1 NAME => NAME
  4 PERSON => the/PERSON PERSON
  plural 1 PERSON 们/PERSON => the/PERSON PERSON:plural
  2 PRONOUN RELATIVE => PRONOUN:possessive RELATIVE
  1 PRONOUN 的/PRONOUN FRIEND => PRONOUN:possessive FRIEND

SUBJECT
  12 AGENT* => AGENT*
  2 那/1 个 PERSON => that/1 PERSON
  plural 2 那/1 COUNT 个 PERSON => those/1 COUNT PERSON:plural
  1 PLACE 里/1 的/1 PERSON => the/PERSON PERSON in/1 PLACE
  1 LIKE GENERIC(LIKE) 的/1 PERSON => the/PERSON PERSON who/1 LIKE:present@PERSON GENERIC(LIKE)
  1 WEAR ADJ(N):attribute N(WEAR) 的/1 PERSON => the/PERSON PERSON who/1 is WEAR:ing a/N ADJ N
  1 PAST_TIME AT ACT 的/1 PERSON => the/PERSON PERSON who/1 was ACT:ing AT PAST_TIME

WHOM
  6 AGENT* => AGENT*
  1 那/1 个 PERSON => that/1 PERSON

BARE
  1 N => N:indefinite

GENERIC
  1 N => N:plural

SOME
  4 一/1 CL(N) N => a/1 CL N
  3 一/1 CL(N) ADJ(N):attribute N => a/1 CL ADJ N
  plural 3 NUMBER CL(N) N => NUMBER CL:plural N:plural
  plural 2 NUMBER CL(N) ADJ(N):attribute N => NUMBER CL:plural ADJ N:plural

KNOWN
  3 这/1 CL(N) N => this/1 CL N
  3 那/1 CL(N) N => that/1 CL N
  2 PRONOUN 的/PRONOUN N => PRONOUN:possessive N
  plural 1 那/1 COUNT CL(N) N => those/1 COUNT CL:plural N:plural
  1 那/1 CL(N) ADJ(N):attribute N => that/1 CL ADJ N

OBJECT
  5 SOME => SOME
  3 KNOWN => KNOWN
  2 CLAUSED => CLAUSED

PATIENT
  4 N => the/N N
  3 KNOWN* => KNOWN*
  1 CLAUSED => CLAUSED

CLAUSED
  2 AGENT BUY(N) 的/1 N => the/N N that/1 AGENT BUY:past
  2 AGENT R(N) 的/1 N => the/N N that/1 AGENT R:past
  1 AGENT LIKE(N) 的/1 N => the/N N that/1 AGENT LIKE:present@AGENT
"""

# ---- what a pair is, and how to ask for some -----------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation, as tokens.

    ``links``         (i, j) where source[i] and target[j] translate each other; some function words have no link
    ``combinations``  the (verb or adjective, noun) pairs that were chosen to go together, in Chinese
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    links: tuple[tuple[int, int], ...]
    combinations: frozenset[tuple[str, str]] = frozenset()

    def by_character(self) -> "Pair":
        """The same pair with each Chinese character as a token of its own; its links are those of its word."""
        spread = [(character, i) for i, word in enumerate(self.source) for character in word]
        links = tuple((k, j) for k, (_, i) in enumerate(spread) for word, j in self.links if word == i)
        return Pair(tuple(character for character, _ in spread), self.target, links, self.combinations)


PATIENCE = 20_000


def corpus(
    size: int,
    seed: int = 0,
    split: str = "train",
    length: tuple[int, int] = (3, 40),
    start: str = "SENTENCE",
    words: int | None = None,
) -> list[Pair]:
    """Draw ``size`` different pairs, the same ones for the same arguments on every machine.

    ``split``   "train": no held-out combination occurs; "test": each pair has at least one (`held_out`)
    ``length``  the fewest and the most source tokens
    ``start``   the symbol of RULES to expand ("PLANS" for a smaller language)
    ``words``   how many words of each class to use, the first of those that fit (None: all)

    Raises ValueError for an unknown split or start, or when ``PATIENCE`` draws in a row bring nothing new.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', not {split!r}")
    if start not in grammar():
        raise ValueError(f"there is no rule for {start!r}; start from one of {', '.join(grammar())}")
    # Of Python's generators only random() is promised to give the same numbers in every version.
    dice = random.Random(seed).random
    choose = partial(choices, split=split, most=words)
    pairs: dict[tuple[str, ...], Pair] = {}
    in_vain = 0  # draws since the last new pair
    while len(pairs) < size and in_vain < PATIENCE:
        in_vain += 1
        try:
            tree = derive(start, None, choose, dice)
        except DeadEnd:
            continue
        if not length[0] <= len(chinese(tree)) <= length[1] or names_twice(tree):
            continue
        pair = realise(tree)
        kept = split == "train" or pair.combinations & held_out()
        if kept and pair.source not in pairs:
            pairs[pair.source], in_vain = pair, 0
    if len(pairs) < size:
        low, high = length
        found = f"only {len(pairs)} different {split} pairs of {low} to {high} source tokens were found"
        raise ValueError(f"{found}, not {size}; ask for fewer, or for other lengths")
    return list(pairs.values())


def example() -> Pair:
    """The course's own sentence, 我 想 吃 汉堡 -> I want to eat a hamburger, which the grammar gives too."""
    source, target = ("我", "想", "吃", "汉堡"), ("I", "want", "to", "eat", "a", "hamburger")
    return Pair(source, target, ((0, 0), (1, 1), (1, 2), (2, 3), (3, 4), (3, 5)), frozenset({("吃", "汉堡")}))


@cache
def held_out() -> frozenset[tuple[str, str]]:
    """The combinations kept for testing: every tenth pair of a verb or adjective and a noun that goes with it.

    Each of the two words is met in training, but never together: to translate a test sentence a model has to have learned
    the words and the rules, not the pairs. The course's example, 吃 汉堡, stays in training.
    """
    possible = [
        (predicate.name, noun.name)
        for words in lexicon().values()
        for predicate in words
        for noun in lexicon()["N"]
        if predicate is not noun and predicate.kind != "N" and predicate.kinds & noun.kinds
    ]
    return frozenset(possible[4::10]) - {("吃", "汉堡")}


# ---- the engine: reading the data ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Word:
    """An entry of the lexicon. ``english`` maps a form ("plural", "past" …) to tokens; "" is the form if none is asked for."""

    kind: str
    chinese: tuple[str, ...]
    english: dict[str, tuple[str, ...]]
    kinds: frozenset[str] = frozenset()
    person: str = "3"
    classifier: "Word | None" = None

    @property
    def name(self) -> str:
        return "".join(self.chinese)


@cache
def lexicon() -> dict[str, list[Word]]:
    """The words by class."""
    words = []
    for kinds, classifier, entries in _rows(NOUNS):
        sign, _, measure = classifier.partition(" ")
        counter = {"": (measure, "of"), "plural": (_plural(measure), "of")} if measure else {"": ()}
        for chinese, english, *plural in _entries(entries):
            one, many = english.strip("[]"), plural[0] if plural else _plural(english)
            forms = {"": (one,), "plural": (many,), "indefinite": ("a", one)} if english == one else {"": (one,)}
            classifier = Word("CL", (sign,), counter)
            words.append(Word("N", (chinese,), forms, frozenset(kinds.split()), classifier=classifier))
    for chinese, english, person in _rows(PRONOUNS):
        forms = dict(zip(("", "object", "possessive"), ((form,) for form in english.split()), strict=True))
        words.append(Word("PRONOUN", (chinese,), forms, person=person))
    for kind, chinese, english, kinds in _rows(VERBS):
        words.append(Word(kind, (chinese,), _verb(*english.split()), frozenset(kinds.split())))
    for chinese, english, kinds in _rows(ADJECTIVES):
        words.append(Word("ADJ", (chinese,), _adjective(*english.split()), frozenset(kinds.split())))
    for chinese, *english in _entries(FEELINGS):
        words.append(Word("FEELING", (chinese,), _adjective(*english)))
    for kind, table in {"PERSON": PEOPLE, "FRIEND": FRIENDS}.items():
        for chinese, english, *plural in _entries(table):
            many = plural[0] if plural else _plural(english)
            words.append(Word(kind, (chinese,), {"": _tokens(english), "plural": _tokens(many)}))
    for kind, table in PLAIN.items():
        for chinese, english in _entries(table):
            words.append(Word(kind, _tokens(chinese), {"": _tokens(english)}))
    classes: dict[str, list[Word]] = {}
    for word in words:
        classes.setdefault(word.kind, []).append(word)
    return classes


def _rows(table: str) -> Iterator[list[str]]:
    return ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())


def _entries(table: str) -> Iterator[list[str]]:
    """``老师 teacher, 孩子 child/children`` as [["老师", "teacher"], ["孩子", "child", "children"]]."""
    return (re.split("[ /]", entry.strip()) for entry in table.split(","))


def _tokens(words: str) -> tuple[str, ...]:
    return tuple(words.split("_"))


def _plural(noun: str) -> str:
    """The regular plural: box, boxes."""
    return noun + ("es" if re.search("(s|sh|ch|x)$", noun) else "s")


def _verb(base: str, past: str = "", participle: str = "") -> dict[str, tuple[str, ...]]:
    """The forms of a verb; its first token is the one that changes (looks for)."""
    first, *rest = base.split("_")
    stem = first[:-1] if first.endswith("e") else first
    regular = "_".join([stem + "ed", *rest])
    forms = {
        "": base,
        "present": "_".join([first + ("es" if re.search("(s|sh|ch|x|o)$", first) else "s"), *rest]),
        "ing": "_".join(
            [(stem if first != "see" else first) + (first[-1] if first in ("run", "put") else "") + "ing", *rest]
        ),
        "past": past or regular,
        "participle": participle or regular,
    }
    return {form: _tokens(words) for form, words in forms.items()}


def _adjective(plain: str, more: str = "") -> dict[str, tuple[str, ...]]:
    return {"": (plain,), "more": (more,) if more else ("more", plain)}


@dataclass(frozen=True)
class Item:
    """One place on a side of a rule, such as ``V*``, ``OBJECT(V)``, ``be@SUBJECT/1``."""

    name: str
    head: bool
    governor: str | None
    form: str
    agrees: str | None
    mark: str | None
    symbol: str | None  # what a child is expanded by: its name less the digits; None for a word of the language itself


@dataclass(frozen=True)
class Rule:
    chinese: tuple[Item, ...]
    english: tuple[Item, ...]
    plural: bool
    children: tuple[Item, ...]  # each child once, in the order of drawing: a governor before what it governs

    @property
    def head(self) -> str | None:
        return next((item.name for item in self.english if item.head), None)


@cache
def grammar() -> dict[str, list[tuple[float, Rule]]]:
    """RULES by symbol, each rule with the share of the symbol's weight that it and the rules before it have."""
    found: dict[str, list[tuple[int, Rule]]] = {}
    for line in filter(None, RULES.splitlines()):
        if not line.startswith(" "):
            rules = found.setdefault(line, [])
            continue
        plural, weight, left, right = re.fullmatch(r" +(plural )?(\d+) (.+) => (.+)", line).groups()
        chinese, english = (tuple(map(_item, side.split())) for side in (left, right))
        children = {item.name: item for item in reversed(chinese) if item.symbol}
        order = sorted(children.values(), key=lambda item: _depth(item, children))
        rules.append((int(weight), Rule(chinese, english, bool(plural), tuple(order))))
    shares = {}
    for symbol, rules in found.items():
        sums = list(accumulate(weight for weight, _ in rules))
        shares[symbol] = [(part / sums[-1], rule) for part, (_, rule) in zip(sums, rules, strict=True)]
    return shares


def _item(text: str) -> Item:
    """``NAME*(GOVERNOR):form@CHILD/mark``, of which all but the name may be missing."""
    pattern = r"([^*(:@/]+)(\*)?(?:\((\w+)\))?(?::(\w+))?(?:@(\w+))?(?:/(\w+))?"
    name, head, governor, form, agrees, mark = re.fullmatch(pattern, text).groups()
    symbol = name.rstrip("0123456789")
    is_child = symbol.isascii() and symbol.isupper()
    return Item(name, bool(head), governor, form or "", agrees, mark, symbol if is_child else None)


def _depth(item: Item, children: dict[str, Item]) -> int:
    return 1 + _depth(children[item.governor], children) if item.governor else 0


# ---- the engine: drawing -------------------------------------------------------------------------------------------

NOMINAL = {"N", "SOME", "KNOWN", "CLAUSED"}  # a phrase hands its governor down to these
PEOPLED = {"SUBJECT", "AGENT", "WHOM"}


class DeadEnd(Exception):
    """What was drawn so far can't be finished well: draw again."""


@dataclass(eq=False)
class Node:
    """A symbol with what was drawn for it: a word of the lexicon, or a rule and its children by name."""

    symbol: str
    governor: Word | None
    word: Word | None = None
    rule: Rule | None = None
    children: dict[str, "Node"] = field(default_factory=dict)

    def below(self) -> list["Node"]:
        """This node and all under it."""
        nodes = [self]
        for node in nodes:  # which grows on the way
            nodes += node.children.values()
        return nodes

    @cached_property
    def text(self) -> str:
        """What it says in Chinese, in one string."""
        return "".join(token for token, _ in chinese(self))

    @property
    def person(self) -> str:
        """ "1", "3" or "plural" ("you" goes with the plural)."""
        if self.word:
            return self.word.person
        if self.rule.plural:
            return "plural"
        return self.children[self.rule.head].person if self.rule.head else "3"


def derive(symbol: str, governor: Word | None, choose: Callable, dice: Callable[[], float]) -> Node:
    """Draw a tree for a symbol. ``governor`` is the word that it has to go with. Raises DeadEnd."""
    node = Node(symbol, governor)
    if symbol == "CL":
        node.word = governor.classifier
    elif symbol in lexicon():
        words = choose(symbol, governor)
        if not words:
            raise DeadEnd
        node.word = words[int(dice() * len(words))]
    else:
        share = dice()
        node.rule = next(rule for limit, rule in grammar()[symbol] if share < limit)
        for item in node.rule.children:
            above = node.children[item.governor] if item.governor else None
            inherited = governor if item.symbol in NOMINAL else None
            child = derive(item.symbol, above.word if above else inherited, choose, dice)
            if above and above.governor and above.governor is child.word:
                raise DeadEnd  # … 吃了我吃的苹果: the same verb twice for one noun
            node.children[item.name] = child
        if repeats(node):
            raise DeadEnd
    return node


@cache
def choices(symbol: str, governor: Word | None, split: str, most: int | None) -> list[Word]:
    """The first ``most`` words of a class that go with the governor, in training without the held-out combinations."""
    words = lexicon()[symbol]
    if governor:
        words = [word for word in words if word.kinds & governor.kinds]
        if split == "train":
            words = [word for word in words if combination(word, governor) not in held_out()]
    return words[:most]


def combination(one: Word, other: Word) -> tuple[str, str]:
    """The two words' names, the noun last."""
    return (other.name, one.name) if one.kind == "N" else (one.name, other.name)


def repeats(node: Node) -> bool:
    """Whether a rule's children say the same where no one would (他 批评 了 他; 从 北京 去 北京)."""
    children = list(node.children.values())
    for i, child in enumerate(children):
        others = [one for one in children[:i] if one.symbol == child.symbol or {one.symbol, child.symbol} <= PEOPLED]
        if child.symbol in PEOPLED:
            others += [
                one for sibling in children if sibling is not child for one in sibling.below() if one.symbol == "WHOM"
            ]
        # 我 and 我们 count as the same
        if others and child.text.rstrip("们") in [one.text.rstrip("们") for one in others]:
            return True
    return False


def names_twice(tree: Node) -> bool:
    """Whether a sentence names someone a second time instead of saying 他 or 她."""
    named = [node.text for node in tree.below() if node.symbol == "AGENT" and "PRONOUN" not in node.children]
    return len(named) > len(set(named))


# ---- the engine: saying it in both languages -----------------------------------------------------------------------

# am, is, are … : what agrees but is in no rule's lexicon, by person
AGREEING = {
    "be": {"1": "am", "3": "is", "plural": "are"},
    "was": {"1": "was", "3": "was", "plural": "were"},
    "have": {"1": "have", "3": "has", "plural": "have"},
    "do": {"1": "do", "3": "does", "plural": "do"},
    "want": {"1": "want", "3": "wants", "plural": "want"},
}

Said = list[tuple[str, object]]  # tokens, each with the mark that its translations share (None: it has none)


def realise(node: Node) -> Pair:
    """The pair that a tree stands for."""
    source, target = chinese(node), english(node)
    said = [
        "an" if token == "a" and following[:1] in "aeiou" else token
        for (token, _), (following, _) in pairwise([*target, (".", None)])
    ]
    places: dict[object, list[int]] = {}
    for j, (_, mark) in enumerate(target):
        places.setdefault(mark, []).append(j)
    links = tuple((i, j) for i, (_, mark) in enumerate(source) if mark is not None for j in places.get(mark, []))
    combinations = frozenset(
        combination(leaf.word, leaf.governor)
        for leaf in node.below()
        if leaf.word and leaf.governor and leaf.symbol != "CL"
    )
    return Pair(tuple(token for token, _ in source), tuple(said), links, combinations)


def chinese(node: Node, form: str = "") -> Said:
    if node.word:
        ending = {"了": ["了"], "attribute": ["的"] if len(node.word.name) > 1 else []}.get(form, [])
        return [(token, node) for token in [*node.word.chinese, *ending]]
    said: Said = []
    for item in node.rule.chinese:
        if item.symbol:
            said += chinese(node.children[item.name], item.form or (form if item.head else ""))
        else:
            said.append((item.name, _mark(node, item)))
    return said


def english(node: Node, form: str = "") -> Said:
    if node.word:
        return [(token, node) for token in node.word.english.get(form, node.word.english[""])]
    said: Said = []
    for item in node.rule.english:
        person = node.children[item.agrees].person if item.agrees else None
        if item.symbol:
            wanted = item.form or (form if item.head else "")
            said += english(
                node.children[item.name], "" if wanted == "present" and person in ("1", "plural") else wanted
            )
        else:
            said.append((AGREEING[item.name][person] if person else item.name, _mark(node, item)))
    return said


def _mark(node: Node, item: Item) -> object:
    """What a word of a rule is aligned by: the child that it is marked with, or the rule's own number."""
    return item.mark and node.children.get(item.mark, (node, item.mark))
