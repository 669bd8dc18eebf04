"""The recorded runs of chapter 10. Written by benchmarks/translator_record.py --page; never edited."""

# ruff: noqa: E501
import json

RUNS = json.loads(r"""
[
 {
  "config": {
   "corpus": "synthetic-zh-en",
   "task": "translate",
   "d_model": 128,
   "h": 4,
   "layers": 2,
   "d_ff": 512,
   "dropout": 0.1,
   "vocabulary": 1000,
   "tokens": 4096,
   "lr": 0.003,
   "warmup": 200,
   "weight_decay": 0.01,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 1000,
   "evaluate_every": 250,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "24722d6eb1abd789",
   "command": "python -m translator train --corpus synthetic-zh-en --out runs/synthetic --preset tiny --steps 1000 --vocabulary 1000 --lr 0.003 --warmup 200 --evaluate-every 250 --device cpu",
   "revision": "e68b04b38e75aa3284dd1a1e993aae5a90f3d751",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "7ad083c5d6331533d333a0528215ec538e30f997",
  "sentences": {
   "train": 40000,
   "valid": 495,
   "test": 1000
  },
  "parameters": 1054208,
  "best_step": 1000,
  "cpu_or_gpu_seconds": 264.551101415,
  "wall_seconds": 1394.2882156209998,
  "tuning": {
   "alpha": 1.6,
   "valid_bleu": {
    "0.6": 95.60339088649657,
    "0.8": 95.82118169877413,
    "1.0": 95.89564061379842,
    "1.2": 96.1696166173043,
    "1.4": 96.15181419677032,
    "1.6": 96.30317493674971
   },
   "seconds": 19.806366472
  },
  "test": {
   "greedy": {
    "bleu": 95.21517332707015,
    "chrf": 97.06769443756038,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9850177837659926,
    "length_ratio": 0.9851289044743166,
    "exact_match": 87.8,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 14.782426409998152,
    "cpu_seconds": 1.874727472000001
   },
   "beam 5, alpha 1": {
    "bleu": 95.44669502150997,
    "chrf": 97.17287179206906,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9815845604248157,
    "length_ratio": 0.9817520618221962,
    "exact_match": 87.7,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 55.42359165599919,
    "cpu_seconds": 6.6080024900000005
   },
   "beam 5": {
    "bleu": 95.88970995904813,
    "chrf": 97.53183343502653,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9878480532403769,
    "length_ratio": 0.9879212935904929,
    "exact_match": 87.9,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.6,
    "seconds": 78.58527619500092,
    "cpu_seconds": 6.937639579999999
   }
  },
  "samples": [
   {
    "source": "去年在餐馆吃五个西红柿的工人很年轻",
    "output": "the worker who was eating five tomatoes in the restaurant last year is young",
    "reference": "the worker who was eating five tomatoes in the restaurant last year is young"
   },
   {
    "source": "昨天小红在学校写了三首诗，男孩昨天晚上没买这辆汽车，喜欢咖啡的女人今天早上给了你的医生一个鸡蛋",
    "output": "Xiaohong wrote three poems in the school yesterday , the boy did not buy this car last night , and the doctor who likes eggs gave you an egg this morning",
    "reference": "Xiaohong wrote three poems in the school yesterday , the boy did not buy this car last night , and the woman who likes coffee gave your doctor an egg this morning"
   },
   {
    "source": "老师每天写诗",
    "output": "the teacher writes poems every day",
    "reference": "the teacher writes poems every day"
   },
   {
    "source": "客人们吃过你的西红柿",
    "output": "the guests have eaten your tomato",
    "reference": "the guests have eaten your tomato"
   },
   {
    "source": "喜欢牛奶的老师去年把小说放在了桌子上",
    "output": "the teacher who likes milk put the novel on the table last year",
    "reference": "the teacher who likes milk put the novel on the table last year"
   },
   {
    "source": "虽然小明昨天晚上没喂那三只猫，但是床上放着一个大橙子",
    "output": "although Xiaoming did not feed those three cats last night , there is a big orange on the bed",
    "reference": "although Xiaoming did not feed those three cats last night , there is a big orange on the bed"
   },
   {
    "source": "虽然床上放着一本小说，但是她比我们年轻",
    "output": "although there is a novel on the bed , she is younger than us",
    "reference": "although there is a novel on the bed , she is younger than us"
   },
   {
    "source": "她爸爸明天想给他们的同事一把雨伞",
    "output": "her father wants to give their colleague an umbrella tomorrow",
    "reference": "her father wants to give their colleague an umbrella tomorrow"
   },
   {
    "source": "公园里的客人明天会在餐馆做他的三明治吗？",
    "output": "will the guest in the park make his sandwich that he made his sandwich in the restaurant tomorrow ?",
    "reference": "will the guest in the park make his sandwich in the restaurant tomorrow ?"
   },
   {
    "source": "今天早上警察看见了小明，上个星期李华邀请了女人，小红昨天晚上没写那首诗",
    "output": "the police officer saw Xiaoming this morning , Li Hua invited Xiaohong last week , and Xiaohong did not write that poem last night",
    "reference": "the police officer saw Xiaoming this morning , Li Hua invited the woman last week , and Xiaohong did not write that poem last night"
   },
   {
    "source": "因为那四封信去年被她爸爸找到了，所以那个工人总是写诗",
    "output": "that worker always writes poems because those four letters was found by her father last year",
    "reference": "that worker always writes poems because those four letters were found by her father last year"
   },
   {
    "source": "如果昨天晚上在学校写一封信的学生明天坐公共汽车去广州，他们就会买老师偷走的帽子",
    "output": "if the student who was writing a letter in the school last night goes to Guangzhou by bus tomorrow , their teacher will buy the hat that their teacher stole",
    "reference": "if the student who was writing a letter in the school last night goes to Guangzhou by bus tomorrow , they will buy the hat that the teacher stole"
   },
   {
    "source": "箱子去年被他打开了，那四扇窗户去年被男人们打破了，去年我爸爸坐火车去了上海",
    "output": "the box was opened by him last year , those four window was broken by the men last year , and my father went to Shanghai by train last year",
    "reference": "the box was opened by him last year , those four windows were broken by the men last year , and my father went to Shanghai by train last year"
   },
   {
    "source": "因为女人有时候写诗，所以男人们今天早上在餐馆买了司机们偷走的狗",
    "output": "the men bought the dog that the drivers bought in the restaurant this morning because the woman sometimes writes poems",
    "reference": "the men bought the dog that the drivers stole in the restaurant this morning because the woman sometimes writes poems"
   },
   {
    "source": "虽然明天早上我的同事会借给我们哥哥四个大盘子，但是喜欢三明治的工人昨天做了那个便宜的三明治",
    "output": "although my colleague will lend our older brother four big plates tomorrow morning , the worker who likes sandwich made that cheap sandwich yesterday",
    "reference": "although my colleague will lend our older brother four big plates tomorrow morning , the worker who likes sandwiches made that cheap sandwich yesterday"
   },
   {
    "source": "今天早上在公园吃一个小西红柿的女孩不应该喂那只鸟，但是每天早上警察在商店骑马",
    "output": "the girl who was eating a small tomato in the park this morning should not feed that bird but that police officer rides horses in the shop every morning",
    "reference": "the girl who was eating a small tomato in the park this morning should not feed that bird but the police officer rides horses in the shop every morning"
   }
  ],
  "curve": [
   {
    "step": 250,
    "valid_loss": 0.7717720487113101,
    "valid_bleu": 56.667676377888796,
    "seconds": 62.817601847999995,
    "wall_seconds": 301.23633130300004
   },
   {
    "step": 500,
    "valid_loss": 0.1836855948087987,
    "valid_bleu": 87.94755804823745,
    "seconds": 129.645044877,
    "wall_seconds": 645.3808188410003
   },
   {
    "step": 750,
    "valid_loss": 0.11709599672231656,
    "valid_bleu": 93.7567418267364,
    "seconds": 197.819147092,
    "wall_seconds": 1064.090451766002
   },
   {
    "step": 1000,
    "valid_loss": 0.09557191639730375,
    "valid_bleu": 96.04168546263375,
    "seconds": 264.551101415,
    "wall_seconds": 1394.2882156209998
   }
  ]
 }
]
""")
