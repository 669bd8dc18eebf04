"""The recorded runs of chapter 10. Written by benchmarks/translator_record.py --page; never edited."""

# ruff: noqa: E501
import json

RUNS = json.loads(r"""
[
 {
  "config": {
   "corpus": "multi30k-de-en",
   "task": "translate",
   "d_model": 256,
   "h": 4,
   "layers": 3,
   "d_ff": 512,
   "dropout": 0.3,
   "vocabulary": 8000,
   "tokens": 4096,
   "lr": 0.002,
   "warmup": 400,
   "weight_decay": 0.01,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 5600,
   "evaluate_every": 500,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "398af26eb7c111f3",
   "command": "python -m translator train --corpus multi30k-de-en --data DIR --out runs/de-en --steps 5600 --device cpu",
   "revision": "67251a09ae396bdf927ad01bd4a37a5832bad210",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "5f35a659bb1efc9ce511389b7cebd958da456627",
  "sentences": {
   "train": 28998,
   "valid": 1014,
   "test": 1000
  },
  "parameters": 6002688,
  "best_step": 5000,
  "cpu_or_gpu_seconds": 4243.869075952,
  "wall_seconds": 14710.614725379004,
  "tuning": {
   "alpha": 1.6,
   "valid_bleu": {
    "0.2": 42.362505909792944,
    "0.4": 42.58673337497975,
    "0.6": 43.021827651675316,
    "0.8": 43.42318864921245,
    "1.0": 43.46945520231108,
    "1.2": 43.64381725058244,
    "1.4": 43.64163591312738,
    "1.6": 43.74990904303819,
    "1.8": 43.45910655785393,
    "2.0": 43.354701381837565
   },
   "seconds": 9.553266617999999
  },
  "test": {
   "greedy": {
    "bleu": 41.05006346257666,
    "chrf": 60.581715409775796,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9680849397494211,
    "length_ratio": 0.9685835584716326,
    "exact_match": 6.2,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 6.4327049019993865,
    "cpu_seconds": 4.285515709
   },
   "beam 5, alpha 1": {
    "bleu": 41.62041540747963,
    "chrf": 61.17026621049694,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9647340932293405,
    "length_ratio": 0.9653415669625627,
    "exact_match": 6.1,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 33.46831571400253,
    "cpu_seconds": 15.968767126000001
   },
   "beam 5": {
    "bleu": 41.887855031068064,
    "chrf": 61.3172175433646,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9795702750284631,
    "length_ratio": 0.9797761482053261,
    "exact_match": 5.9,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.6,
    "seconds": 33.71709198899771,
    "cpu_seconds": 16.200162950000003
   }
  },
  "samples": [
   {
    "source": "Ein Hund rennt über eine grüne Wiese.",
    "output": "A dog runs through a green field."
   },
   {
    "source": "Zwei Kinder essen ein Eis vor einem kleinen Haus.",
    "output": "Two children eating an ice cream in front of a small house."
   },
   {
    "source": "Eine Frau mit rotem Hut liest in der Küche ein Buch.",
    "output": "A woman in a red hat is reading a book in the kitchen."
   },
   {
    "source": "Der alte Mann, der am Fluss sitzt, spielt Gitarre.",
    "output": "The old man sitting by the river playing a guitar."
   },
   {
    "source": "Die Aufmerksamkeit ist alles, was man braucht.",
    "output": "The attention is at the attention of what appears to be a show."
   }
  ],
  "curve": [
   {
    "step": 500,
    "valid_loss": 2.678014167958784,
    "valid_bleu": 23.388483317706086,
    "seconds": 437.70746019999996,
    "wall_seconds": 3263.1219344289984
   },
   {
    "step": 1000,
    "valid_loss": 2.0503780630846,
    "valid_bleu": 32.19840388048382,
    "seconds": 860.7151157129999,
    "wall_seconds": 4926.675450983006
   },
   {
    "step": 1500,
    "valid_loss": 1.8028784596041192,
    "valid_bleu": 36.971681682656246,
    "seconds": 1241.491863069,
    "wall_seconds": 5442.385653955003
   },
   {
    "step": 2000,
    "valid_loss": 1.6721115962633337,
    "valid_bleu": 38.3113374910124,
    "seconds": 1644.994337053,
    "wall_seconds": 6511.2727503770075
   },
   {
    "step": 2500,
    "valid_loss": 1.6019116551888555,
    "valid_bleu": 39.94453402782084,
    "seconds": 2014.9334211569999,
    "wall_seconds": 7132.711097610001
   },
   {
    "step": 3000,
    "valid_loss": 1.5609820342726621,
    "valid_bleu": 40.62493431039469,
    "seconds": 2383.114782015,
    "wall_seconds": 7801.365827647001
   },
   {
    "step": 3500,
    "valid_loss": 1.5385587939931769,
    "valid_bleu": 41.37818081384869,
    "seconds": 2731.031832605,
    "wall_seconds": 12712.17876223501
   },
   {
    "step": 4000,
    "valid_loss": 1.51963096998739,
    "valid_bleu": 41.21077776814037,
    "seconds": 3090.7291572999998,
    "wall_seconds": 13186.705565306009
   },
   {
    "step": 4500,
    "valid_loss": 1.5132657170567847,
    "valid_bleu": 41.73857014874906,
    "seconds": 3441.371766984,
    "wall_seconds": 13617.775934381003
   },
   {
    "step": 5000,
    "valid_loss": 1.5126537099146469,
    "valid_bleu": 41.877195236539556,
    "seconds": 3820.2167323619997,
    "wall_seconds": 14169.099539517003
   },
   {
    "step": 5500,
    "valid_loss": 1.513129508749853,
    "valid_bleu": 41.50084887518859,
    "seconds": 4169.114488942,
    "wall_seconds": 14595.544916619008
   },
   {
    "step": 5600,
    "valid_loss": 1.5129684790422633,
    "valid_bleu": 41.661692249981165,
    "seconds": 4243.869075952,
    "wall_seconds": 14710.614725379004
   }
  ]
 },
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
 },
 {
  "config": {
   "corpus": "tatoeba-zh-en",
   "task": "translate",
   "d_model": 256,
   "h": 4,
   "layers": 3,
   "d_ff": 512,
   "dropout": 0.3,
   "word_dropout": 0.1,
   "vocabulary": 6000,
   "tokens": 4096,
   "lr": 0.002,
   "warmup": 400,
   "weight_decay": 0.01,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 4800,
   "evaluate_every": 500,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "79e7b6a9026f0ac8",
   "command": "python -m translator train --corpus tatoeba-zh-en --data DIR --out runs/zh-en --vocabulary 6000 --word-dropout 0.1 --steps 4800 --device cpu",
   "revision": "93df10e70c7a1369d59dc3d68bc6d0ae5ec71742",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "93df10e70c7a1369d59dc3d68bc6d0ae5ec71742",
  "sentences": {
   "train": 25748,
   "valid": 1030,
   "test": 979
  },
  "parameters": 5490688,
  "best_step": 4800,
  "cpu_or_gpu_seconds": 2517.971658115,
  "wall_seconds": 2837.6322064049964,
  "tuning": {
   "alpha": 0.2,
   "valid_bleu": {
    "0.2": 41.929227193294246,
    "0.4": 41.66820709580289,
    "0.6": 41.185193476957274,
    "0.8": 40.79496648282597,
    "1.0": 40.56948692770765,
    "1.2": 40.43069387157805,
    "1.4": 40.20881998533609,
    "1.6": 39.864660924677445,
    "1.8": 39.565735581423695,
    "2.0": 39.577469131284595
   },
   "seconds": 4.39014583800008
  },
  "test": {
   "greedy": {
    "bleu": 28.873286899634767,
    "chrf": 46.252708335428316,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9438773843740353,
    "length_ratio": 0.9453949244368406,
    "exact_match": 11.235955056179776,
    "sentences": 979,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 2.5493633890000638,
    "cpu_seconds": 2.549121616
   },
   "beam 5, alpha 1": {
    "bleu": 31.696806541465147,
    "chrf": 48.50418216099403,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.916272141738461,
    "length_ratio": 0.9195893926432849,
    "exact_match": 13.176710929519919,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 8.525889971999277,
    "cpu_seconds": 8.524861600000001
   },
   "beam 5": {
    "bleu": 31.332902114976736,
    "chrf": 48.02209809447153,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.8827092028688652,
    "length_ratio": 0.8890789848873681,
    "exact_match": 13.38100102145046,
    "sentences": 979,
    "beam": 5,
    "alpha": 0.2,
    "seconds": 7.764733940995939,
    "cpu_seconds": 7.7638953650000015
   }
  },
  "samples": [
   {
    "source": "我想吃汉堡。",
    "output": "I want to eat hamburgers."
   },
   {
    "source": "你昨天为什么没有来？",
    "output": "Why didn't you come yesterday?"
   },
   {
    "source": "他的哥哥在学校教英语。",
    "output": "His brother teaches English at school."
   },
   {
    "source": "如果明天下雨，我们就待在家里。",
    "output": "If it rains tomorrow, we'll stay at home."
   },
   {
    "source": "注意力就是你所需要的一切。",
    "output": "It's everything you need."
   }
  ],
  "curve": [
   {
    "step": 500,
    "valid_loss": 2.3256463151637132,
    "valid_bleu": 11.02039608486174,
    "seconds": 266.316380314,
    "wall_seconds": 505.27780246600014
   },
   {
    "step": 1000,
    "valid_loss": 1.648799027853865,
    "valid_bleu": 28.80133646260434,
    "seconds": 526.137644896,
    "wall_seconds": 788.5468519029964
   },
   {
    "step": 1500,
    "valid_loss": 1.46259680026915,
    "valid_bleu": 33.62765562670356,
    "seconds": 790.511255141,
    "wall_seconds": 1080.0720838779962
   },
   {
    "step": 2000,
    "valid_loss": 1.3694452735466687,
    "valid_bleu": 34.772919319912454,
    "seconds": 1054.82607611,
    "wall_seconds": 1348.10586874
   },
   {
    "step": 2500,
    "valid_loss": 1.3112374902740727,
    "valid_bleu": 37.145508077776284,
    "seconds": 1314.863575439,
    "wall_seconds": 1615.797515833001
   },
   {
    "step": 3000,
    "valid_loss": 1.2813902443986598,
    "valid_bleu": 37.70523892041216,
    "seconds": 1574.075710891,
    "wall_seconds": 1878.6274451779973
   },
   {
    "step": 3500,
    "valid_loss": 1.26651838349133,
    "valid_bleu": 38.835402798878064,
    "seconds": 1835.163905128,
    "wall_seconds": 2144.1747400319946
   },
   {
    "step": 4000,
    "valid_loss": 1.2562204996744792,
    "valid_bleu": 39.445579248068185,
    "seconds": 2096.060310911,
    "wall_seconds": 2410.1892150389976
   },
   {
    "step": 4500,
    "valid_loss": 1.2512313718718242,
    "valid_bleu": 39.17140252892671,
    "seconds": 2359.777644444,
    "wall_seconds": 2679.2977057389944
   },
   {
    "step": 4800,
    "valid_loss": 1.2499186818192645,
    "valid_bleu": 39.48776763400383,
    "seconds": 2517.971658115,
    "wall_seconds": 2837.6322064049964
   }
  ]
 }
]
""")
