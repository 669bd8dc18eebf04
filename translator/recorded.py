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
   "d_ff": 256,
   "dropout": 0.0,
   "word_dropout": 0.0,
   "vocabulary": 2000,
   "tokens": 3072,
   "lr": 0.005,
   "warmup": 100,
   "weight_decay": 0.01,
   "smoothing": 0.05,
   "average": 0.99,
   "clip": 1.0,
   "steps": 1400,
   "evaluate_every": 350,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "72abce3c0edb629f",
   "command": "python -m translator train --corpus synthetic-zh-en --out runs/synthetic --device cpu",
   "revision": "f5bf5f9568d6f535f8229796c200b6c5dd529307",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "05617bb6fc226268b86b3069d813e7d0cd79456f",
  "sentences": {
   "train": 40000,
   "valid": 495,
   "test": 1000
  },
  "parameters": 801280,
  "best_step": 1400,
  "cpu_or_gpu_seconds": 165.247970225,
  "wall_seconds": 420.31186982500367,
  "tuning": {
   "alpha": 2.0,
   "valid_bleu": {
    "0.2": 99.23034845401484,
    "0.4": 99.27183995730628,
    "0.6": 99.27183995730628,
    "0.8": 99.27183995730628,
    "1.0": 99.27183995730628,
    "1.2": 99.31301980386105,
    "1.4": 99.31301980386105,
    "1.6": 99.31301980386105,
    "1.8": 99.31301980386105,
    "2.0": 99.3382736985424
   },
   "seconds": 7.288019052999999
  },
  "test": {
   "greedy": {
    "bleu": 98.95544838052686,
    "chrf": 99.36418970011395,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9981149864210852,
    "length_ratio": 0.9981167608286252,
    "exact_match": 97.5,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 1.4152478489995701,
    "cpu_seconds": 1.3996665690000007
   },
   "beam 5, alpha 1": {
    "bleu": 99.0593125775057,
    "chrf": 99.43801399583504,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9970734583399672,
    "length_ratio": 0.9970777323202805,
    "exact_match": 97.6,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 4.871293560994673,
    "cpu_seconds": 4.815020941
   },
   "beam 5": {
    "bleu": 98.98364795190537,
    "chrf": 99.3861965854652,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9977896251370627,
    "length_ratio": 0.9977920644197675,
    "exact_match": 97.4,
    "sentences": 1000,
    "beam": 5,
    "alpha": 2.0,
    "seconds": 5.159514778002631,
    "cpu_seconds": 5.1030494520000005
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
    "output": "Xiaohong wrote three poems in the school yesterday , the boy did not buy this car last night , and the woman who likes coffee gave your doctor a egg this morning",
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
    "source": "虽然明天早上我的同事会借给我们哥哥四个大盘子，但是喜欢三明治的工人昨天做了那个便宜的三明治",
    "output": "although my colleague will lend our older brother four big plates tomorrow morning , the worker who likes sandwiches made those three cheap sandwiches yesterday",
    "reference": "although my colleague will lend our older brother four big plates tomorrow morning , the worker who likes sandwiches made that cheap sandwich yesterday"
   },
   {
    "source": "女人们今天早上在商店骑了两辆自行车，学校里的工人去年把大衣偷走了，女人昨天晚上做了一个小三明治，孩子昨天晚上把盘子打破了",
    "output": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , the woman made a coat last night , and the child broke the plate last night",
    "reference": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , the woman made a small sandwich last night , and the child broke the plate last night"
   },
   {
    "source": "医院里的学生昨天把男孩拿走的钥匙偷走了",
    "output": "the student in the hospital took away the key that the boy took away yesterday",
    "reference": "the student in the hospital stole the key that the boy took away yesterday"
   },
   {
    "source": "戴便宜的帽子的司机今天早上没买那杯咖啡，他们姐姐去年在医院找了他的羊，去年警察给了那个学生五本便宜的书",
    "output": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and those five police officers gave that student five cheap books last year",
    "reference": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and the police officer gave that student five cheap books last year"
   },
   {
    "source": "喜欢三明治的学生昨天把他们拿走的信放在了椅子上，去年他们坐火车去了广州，今天早上女孩们批评了我的老师",
    "output": "the student who likes sandwiches put the letter that they took away on the chair yesterday , they went to Guangzhou by train last year , and the girl criticized my teacher this morning",
    "reference": "the student who likes sandwiches put the letter that they took away on the chair yesterday , they went to Guangzhou by train last year , and the girls criticized my teacher this morning"
   },
   {
    "source": "那五个警察去年被你邀请了，穿旧衬衫的警察今天早上在医院写了这首诗，昨天晚上他们的学生在图书馆卖了他借的手机",
    "output": "those five police officers were invited by you last year , the police officer who is wearing a shirt wrote this morning , and their student borrowed the phone that he borrowed in the library last night",
    "reference": "those five police officers were invited by you last year , the police officer who is wearing an old shirt wrote this poem in the hospital this morning , and their student sold the phone that he borrowed in the library last night"
   },
   {
    "source": "戴大帽子的工人昨天在学校吃了一碗面条，上个星期孩子们把自行车修好了，昨天晚上司机把你姐姐卖的汽车修好了",
    "output": "the worker who is wearing a big hat ate a bowl of noodles in the school yesterday , the children repaired the bicycle last night , and the driver sold the car that your older sister sold last night",
    "reference": "the worker who is wearing a big hat ate a bowl of noodles in the school yesterday , the children repaired the bicycle last week , and the driver repaired the car that your older sister sold last night"
   },
   {
    "source": "昨天警察们坐飞机去了上海，穿漂亮的衬衫的警察去年把那两个西红柿吃掉了，老师们上个星期坐火车去了成都",
    "output": "the police officers went to Shanghai by plane yesterday , the police officer who is wearing a beautiful shirt ate those two tomatoes last year , and the teachers went to Chengdu by train last week",
    "reference": "the police officers went to Shanghai by plane yesterday , the police officer who is wearing a beautiful shirt ate up those two tomatoes last year , and the teachers went to Chengdu by train last week"
   }
  ],
  "curve": [
   {
    "step": 350,
    "valid_loss": 0.23395161158202885,
    "valid_bleu": 84.03403624467164,
    "seconds": 39.978010613,
    "wall_seconds": 50.29138036600489
   },
   {
    "step": 700,
    "valid_loss": 0.08752636462579169,
    "valid_bleu": 95.01269421406518,
    "seconds": 79.31343465100001,
    "wall_seconds": 103.17131023600814
   },
   {
    "step": 1050,
    "valid_loss": 0.06273758663788163,
    "valid_bleu": 98.62964411254237,
    "seconds": 118.69046216400001,
    "wall_seconds": 195.43615658899944
   },
   {
    "step": 1400,
    "valid_loss": 0.06526388395270956,
    "valid_bleu": 99.44613285196564,
    "seconds": 165.247970225,
    "wall_seconds": 420.31186982500367
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
   "word_dropout": 0.2,
   "vocabulary": 6000,
   "tokens": 2048,
   "lr": 0.0014,
   "warmup": 800,
   "weight_decay": 0.01,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 8800,
   "evaluate_every": 1000,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "79e7b6a9026f0ac8",
   "command": "python -m translator train --corpus tatoeba-zh-en --data DIR --out runs/zh-en --vocabulary 6000 --word-dropout 0.2 --tokens 2048 --lr 0.0014 --warmup 800 --steps 8800 --evaluate-every 1000 --device cpu",
   "revision": "75c2540c59eb1a033120d81f2220471e9333a98f",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "75c2540c59eb1a033120d81f2220471e9333a98f",
  "sentences": {
   "train": 25748,
   "valid": 1030,
   "test": 979
  },
  "parameters": 5490688,
  "best_step": 8000,
  "cpu_or_gpu_seconds": 2770.291225924,
  "wall_seconds": 3569.7164374569984,
  "tuning": {
   "alpha": 1.0,
   "valid_bleu": {
    "0.2": 32.46307023635894,
    "0.4": 32.458471924962744,
    "0.6": 32.53174556316386,
    "0.8": 32.59871939589572,
    "1.0": 32.77095417027281,
    "1.2": 32.63126556993427,
    "1.4": 32.56234769998675,
    "1.6": 32.66056255053986,
    "1.8": 32.675356950980515,
    "2.0": 32.619085156763155
   },
   "seconds": 11.272181331999946
  },
  "test": {
   "greedy": {
    "bleu": 29.149374085299307,
    "chrf": 45.89246701154773,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9470345305266832,
    "length_ratio": 0.9483889364128885,
    "exact_match": 11.8488253319714,
    "sentences": 979,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 2.7649894909991417,
    "cpu_seconds": 2.7645586469999994
   },
   "beam 5, alpha 1": {
    "bleu": 31.37407179793005,
    "chrf": 47.96631823702194,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9296294138776358,
    "length_ratio": 0.9319931565440548,
    "exact_match": 13.38100102145046,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 8.867688318001456,
    "cpu_seconds": 8.866762566
   },
   "beam 5": {
    "bleu": 31.37407179793005,
    "chrf": 47.96631823702194,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9296294138776358,
    "length_ratio": 0.9319931565440548,
    "exact_match": 13.38100102145046,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 9.15567165700486,
    "cpu_seconds": 9.154266062000001
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
    "output": "His brother is at school."
   },
   {
    "source": "如果明天下雨，我们就待在家里。",
    "output": "If it rains tomorrow, we'll stay at home."
   },
   {
    "source": "注意力就是你所需要的一切。",
    "output": "Be careful if you need everything you need."
   }
  ],
  "curve": [
   {
    "step": 1000,
    "valid_loss": 2.843886120484607,
    "valid_bleu": 10.03533476068422,
    "seconds": 298.90317902199996,
    "wall_seconds": 696.8183964339987
   },
   {
    "step": 2000,
    "valid_loss": 2.198836386400481,
    "valid_bleu": 20.771027813387253,
    "seconds": 606.274763418,
    "wall_seconds": 1134.5535696849984
   },
   {
    "step": 3000,
    "valid_loss": 1.9872775943365821,
    "valid_bleu": 24.30377926783634,
    "seconds": 959.205373402,
    "wall_seconds": 1708.8671272859938
   },
   {
    "step": 4000,
    "valid_loss": 1.8667876618136667,
    "valid_bleu": 26.073790400774012,
    "seconds": 1264.794156013,
    "wall_seconds": 2060.729475672997
   },
   {
    "step": 5000,
    "valid_loss": 1.7972641872494135,
    "valid_bleu": 28.275865113574365,
    "seconds": 1582.164051984,
    "wall_seconds": 2379.0507164789888
   },
   {
    "step": 6000,
    "valid_loss": 1.754262137334339,
    "valid_bleu": 29.443522892571565,
    "seconds": 1899.998521816,
    "wall_seconds": 2697.9238489019917
   },
   {
    "step": 7000,
    "valid_loss": 1.726447605850673,
    "valid_bleu": 30.519568698398952,
    "seconds": 2208.044183682,
    "wall_seconds": 3006.3945723409997
   },
   {
    "step": 8000,
    "valid_loss": 1.708532981746661,
    "valid_bleu": 30.87297854803148,
    "seconds": 2522.384577095,
    "wall_seconds": 3321.4504147029947
   },
   {
    "step": 8800,
    "valid_loss": 1.7044135115721044,
    "valid_bleu": 30.823934546904145,
    "seconds": 2770.291225924,
    "wall_seconds": 3569.7164374569984
   }
  ]
 }
]
""")
