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
   "word_dropout": 0.0,
   "vocabulary": 8000,
   "tokens": 4096,
   "lr": 0.002,
   "warmup": 400,
   "weight_decay": 0.01,
   "muon": false,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 3968,
   "evaluate_every": 500,
   "patience": 10,
   "seed": 1
  },
  "about": {
   "fingerprint": "398af26eb7c111f3",
   "command": "python -m translator train --corpus multi30k-de-en --data DIR --out runs/de-en-1 --minutes 40 --seed 1 --device cpu",
   "revision": "2723313a16f9da19763162439ead77648da23f89",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "bd61282455cc468879b5fa1f31b51f93440885f5",
  "sentences": {
   "train": 28998,
   "valid": 1014,
   "test": 1000
  },
  "parameters": 6002688,
  "best_step": 3968,
  "cpu_or_gpu_seconds": 2374.029765066,
  "wall_seconds": 4340.011660541,
  "tuning": {
   "alpha": 1.8,
   "valid_bleu": {
    "0.2": 41.512657053780366,
    "0.4": 41.79153059537384,
    "0.6": 42.02148639564974,
    "0.8": 42.08710614822814,
    "1.0": 42.12979116226725,
    "1.2": 42.228093465787126,
    "1.4": 42.373549963652295,
    "1.6": 42.44782291839272,
    "1.8": 42.58348823034914,
    "2.0": 42.369789093599934
   },
   "seconds": 20.308261738000056
  },
  "test": {
   "greedy": {
    "bleu": 40.06697486741517,
    "chrf": 59.51492493110445,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9665704245837511,
    "length_ratio": 0.9671169432651486,
    "exact_match": 5.6,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 4.34927034300199,
    "cpu_seconds": 4.342350406
   },
   "beam 5, alpha 1": {
    "bleu": 41.2622046277411,
    "chrf": 60.710919379710205,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9567120883497295,
    "length_ratio": 0.9576225395600154,
    "exact_match": 5.8,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 17.00915488499959,
    "cpu_seconds": 16.994753289000002
   },
   "beam 5": {
    "bleu": 41.836961800878406,
    "chrf": 61.306142116033705,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9812230432150141,
    "length_ratio": 0.9813971439598611,
    "exact_match": 5.7,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.8,
    "seconds": 16.578325501999643,
    "cpu_seconds": 16.576542128999996
   },
   "together, beam 5": {
    "bleu": 42.813601530169805,
    "chrf": 61.827771624138116,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9820091348857516,
    "length_ratio": 0.9821690467001157,
    "exact_match": 5.8,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.8,
    "seconds": 38.56229792799786,
    "cpu_seconds": 38.55142231400001
   }
  },
  "together_with": [
   {
    "about": {
     "fingerprint": "398af26eb7c111f3",
     "command": "python -m translator train --corpus multi30k-de-en --data DIR --out runs/de-en-0 --minutes 40 --seed 0 --device cpu",
     "revision": "2723313a16f9da19763162439ead77648da23f89",
     "torch": "2.13.0+cpu",
     "device": "AMD EPYC, 2 cores",
     "precision": "bfloat16",
     "processes": 1,
     "threads": 1
    },
    "seed": 0,
    "cpu_or_gpu_seconds": 2499.24699788,
    "test": {
     "bleu": 41.79124707770474,
     "chrf": 60.93242467354105,
     "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
     "brevity_penalty": 0.9870257823812072,
     "length_ratio": 0.987109224237746,
     "exact_match": 5.4,
     "sentences": 1000,
     "beam": 5,
     "alpha": 1.8,
     "seconds": 17.035206102998927,
     "cpu_seconds": 17.030283655999995
    },
    "curve": [
     {
      "step": 500,
      "valid_loss": 2.857560834856569,
      "valid_bleu": 20.602194320094043,
      "seconds": 283.39436481399997,
      "wall_seconds": 1839.4126820380006
     },
     {
      "step": 1000,
      "valid_loss": 2.1989203237867776,
      "valid_bleu": 30.23909911299006,
      "seconds": 568.183835754,
      "wall_seconds": 2135.793931937
     },
     {
      "step": 1500,
      "valid_loss": 1.9363350276832283,
      "valid_bleu": 34.564627994678695,
      "seconds": 863.5841220230001,
      "wall_seconds": 2969.9808586910003
     },
     {
      "step": 2000,
      "valid_loss": 1.8030427380772631,
      "valid_bleu": 35.72082792109562,
      "seconds": 1181.46091763,
      "wall_seconds": 3290.5492768000004
     },
     {
      "step": 2500,
      "valid_loss": 1.7314630379280727,
      "valid_bleu": 37.05069949040335,
      "seconds": 1494.154448452,
      "wall_seconds": 3607.8386634380004
     },
     {
      "step": 3000,
      "valid_loss": 1.694203156935456,
      "valid_bleu": 37.863892674362354,
      "seconds": 1805.919460179,
      "wall_seconds": 3923.5632535589993
     },
     {
      "step": 3500,
      "valid_loss": 1.669718263031166,
      "valid_bleu": 38.50935634268207,
      "seconds": 2101.453657598,
      "wall_seconds": 4221.497863316001
     },
     {
      "step": 4000,
      "valid_loss": 1.6570007644510751,
      "valid_bleu": 39.079860449728514,
      "seconds": 2400.206724469,
      "wall_seconds": 4521.345204702002
     },
     {
      "step": 4151,
      "valid_loss": 1.6541068559112218,
      "valid_bleu": 39.089960659650856,
      "seconds": 2499.24699788,
      "wall_seconds": 4620.547806581
     }
    ]
   }
  ],
  "samples": [
   {
    "source": "Ein Hund rennt über eine grüne Wiese.",
    "output": "A dog runs through a green grass field."
   },
   {
    "source": "Zwei Kinder essen ein Eis vor einem kleinen Haus.",
    "output": "Two children eating an ice cream cone in front of a small house."
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
    "output": "The attention is in the middle of what appears to be a sad."
   }
  ],
  "curve": [
   {
    "step": 500,
    "valid_loss": 2.854161099314644,
    "valid_bleu": 21.841970482499907,
    "seconds": 283.134115301,
    "wall_seconds": 804.5107968040011
   },
   {
    "step": 1000,
    "valid_loss": 2.1784502823069323,
    "valid_bleu": 30.46632882517354,
    "seconds": 565.376103297,
    "wall_seconds": 1317.6519291940003
   },
   {
    "step": 1500,
    "valid_loss": 1.9332921599267647,
    "valid_bleu": 34.349759714096734,
    "seconds": 855.690251035,
    "wall_seconds": 2313.5168983269996
   },
   {
    "step": 2000,
    "valid_loss": 1.8100848420701074,
    "valid_bleu": 35.528869202899614,
    "seconds": 1153.6572611610002,
    "wall_seconds": 2990.5055470570005
   },
   {
    "step": 2500,
    "valid_loss": 1.7387250028498176,
    "valid_bleu": 37.25126861541963,
    "seconds": 1470.5528227030002,
    "wall_seconds": 3309.5286069030008
   },
   {
    "step": 3000,
    "valid_loss": 1.698153052579635,
    "valid_bleu": 38.70700143423959,
    "seconds": 1790.870339836,
    "wall_seconds": 3637.4302062260012
   },
   {
    "step": 3500,
    "valid_loss": 1.6772451563099962,
    "valid_bleu": 39.30179208212917,
    "seconds": 2095.396313406,
    "wall_seconds": 4058.4455510360003
   },
   {
    "step": 3968,
    "valid_loss": 1.667428979857789,
    "valid_bleu": 39.738229506787654,
    "seconds": 2374.029765066,
    "wall_seconds": 4340.011660541
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
   "tokens": 6144,
   "lr": 0.007,
   "warmup": 100,
   "weight_decay": 0.5,
   "muon": true,
   "smoothing": 0.05,
   "average": 0.99,
   "clip": 1.0,
   "steps": 600,
   "evaluate_every": 300,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "72abce3c0edb629f",
   "command": "torchrun --nproc-per-node 2 -m translator train --corpus synthetic-zh-en --out runs/synthetic-0 --seed 0 --device cpu",
   "revision": "bd61282455cc468879b5fa1f31b51f93440885f5",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 2,
   "threads": 1
  },
  "recorded_with": "bd61282455cc468879b5fa1f31b51f93440885f5",
  "sentences": {
   "train": 40000,
   "valid": 495,
   "test": 1000
  },
  "parameters": 801280,
  "best_step": 600,
  "cpu_or_gpu_seconds": 80.249614633,
  "wall_seconds": 83.37898604200018,
  "tuning": {
   "alpha": 0.2,
   "valid_bleu": {
    "0.2": 98.99012785148803,
    "0.4": 98.99012785148803,
    "0.6": 98.99012785148803,
    "0.8": 98.99012785148803,
    "1.0": 98.99012785148803,
    "1.2": 98.99012785148803,
    "1.4": 98.99012785148803,
    "1.6": 98.99012785148803,
    "1.8": 98.99012785148803,
    "2.0": 98.99012785148803
   },
   "seconds": 4.158947557000005
  },
  "test": {
   "greedy": {
    "bleu": 98.89808953129733,
    "chrf": 99.37999891410166,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9983751993958616,
    "length_ratio": 0.9983765179557114,
    "exact_match": 96.6,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 2.053010860003269,
    "cpu_seconds": 2.018043501000001
   },
   "beam 5, alpha 1": {
    "bleu": 98.893179573399,
    "chrf": 99.36664739595584,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9980499226154632,
    "length_ratio": 0.9980518215468537,
    "exact_match": 96.9,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 5.133871011999872,
    "cpu_seconds": 5.0895085359999985
   },
   "beam 5": {
    "bleu": 98.66786801246114,
    "chrf": 99.2059386194686,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9952481782058816,
    "length_ratio": 0.9952594324306773,
    "exact_match": 96.7,
    "sentences": 1000,
    "beam": 5,
    "alpha": 0.2,
    "seconds": 5.156254233002983,
    "cpu_seconds": 5.111589085000002
   }
  },
  "together_with": [],
  "samples": [
   {
    "source": "去年在餐馆吃五个西红柿的工人很年轻",
    "output": "the worker who was eating five tomatoes in the restaurant last year is young",
    "reference": "the worker who was eating five tomatoes in the restaurant last year is young"
   },
   {
    "source": "昨天小红在学校写了三首诗，男孩昨天晚上没买这辆汽车，喜欢咖啡的女人今天早上给了你的医生一个鸡蛋",
    "output": "Xiaohong wrote three poems in the school yesterday , the boy did not buy this car last night , and the woman who likes coffee gave your doctor an egg this morning",
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
    "source": "我的同事昨天把鸟偷走了，喜欢牛奶的孩子今天早上批评了我们妹妹，老师买的西红柿昨天被他们哥哥吃掉了",
    "output": "my colleague stole the bird yesterday , the child who likes milk criticized our younger sister this morning , and the teacher bought the tomato that their older brother bought was eaten up by their older brother yesterday",
    "reference": "my colleague stole the bird yesterday , the child who likes milk criticized our younger sister this morning , and the tomato that the teacher bought was eaten up by their older brother yesterday"
   },
   {
    "source": "戴大帽子的医生上个星期看见了一辆汽车，这把钥匙昨天晚上被你姐姐拿走了，商店里的工人今天早上批评了他的同事",
    "output": "the doctor who is wearing a big hat saw a car last week , the key was taken away by your older sister last night , and the worker in the shop criticized his colleague this morning",
    "reference": "the doctor who is wearing a big hat saw a car last week , this key was taken away by your older sister last night , and the worker in the shop criticized his colleague this morning"
   },
   {
    "source": "女人们今天早上在商店骑了两辆自行车，学校里的工人去年把大衣偷走了，女人昨天晚上做了一个小三明治，孩子昨天晚上把盘子打破了",
    "output": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , the woman made a sandwich last night , and the child broke the plate last night",
    "reference": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , the woman made a small sandwich last night , and the child broke the plate last night"
   },
   {
    "source": "医院里的学生昨天把男孩拿走的钥匙偷走了",
    "output": "the student in the hospital stole the key that the boy stole yesterday",
    "reference": "the student in the hospital stole the key that the boy took away yesterday"
   },
   {
    "source": "戴便宜的帽子的司机今天早上没买那杯咖啡，他们姐姐去年在医院找了他的羊，去年警察给了那个学生五本便宜的书",
    "output": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and the police officer gave the student five cheap books last year",
    "reference": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and the police officer gave that student five cheap books last year"
   },
   {
    "source": "虽然司机们有时候在商店吃鸡蛋，但是那四个男人昨天晚上在图书馆卖了女孩借的刀",
    "output": "although the drivers sometimes eat eggs in the shop , those four men sold the knife that the girl sold in the library last night",
    "reference": "although the drivers sometimes eat eggs in the shop , those four men sold the knife that the girl borrowed in the library last night"
   },
   {
    "source": "喜欢三明治的学生昨天把他们拿走的信放在了椅子上，去年他们坐火车去了广州，今天早上女孩们批评了我的老师",
    "output": "the student who likes sandwiches put the letter that they took away on the chair yesterday , they went to Guangzhou by train last year , and the girl criticized our teacher this morning",
    "reference": "the student who likes sandwiches put the letter that they took away on the chair yesterday , they went to Guangzhou by train last year , and the girls criticized my teacher this morning"
   },
   {
    "source": "那五个警察去年被你邀请了，穿旧衬衫的警察今天早上在医院写了这首诗，昨天晚上他们的学生在图书馆卖了他借的手机",
    "output": "those five police officers were invited by you last year , the police officer who is wearing an old shirt this morning wrote this poem in the hospital last night , and their student borrowed his phone in the library last night",
    "reference": "those five police officers were invited by you last year , the police officer who is wearing an old shirt wrote this poem in the hospital this morning , and their student sold the phone that he borrowed in the library last night"
   }
  ],
  "curve": [
   {
    "step": 300,
    "valid_loss": 0.10920311995215001,
    "valid_bleu": 94.54589184421336,
    "seconds": 38.499565722,
    "wall_seconds": 39.88494602100036
   },
   {
    "step": 600,
    "valid_loss": 0.06548089710692301,
    "valid_bleu": 99.2185078225664,
    "seconds": 80.249614633,
    "wall_seconds": 83.37898604200018
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
   "dropout": 0.2,
   "word_dropout": 0.1,
   "vocabulary": 6000,
   "tokens": 2048,
   "lr": 0.0014,
   "warmup": 800,
   "weight_decay": 0.01,
   "muon": false,
   "smoothing": 0.1,
   "average": 0.998,
   "clip": 1.0,
   "steps": 4484,
   "evaluate_every": 1000,
   "patience": 10,
   "seed": 0
  },
  "about": {
   "fingerprint": "79e7b6a9026f0ac8",
   "command": "python -m translator train --corpus tatoeba-zh-en --data DIR --out runs/zh-en-0 --vocabulary 6000 --dropout 0.2 --word-dropout 0.1 --tokens 2048 --lr 0.0014 --warmup 800 --evaluate-every 1000 --minutes 25 --seed 0 --device cpu",
   "revision": "59493b54f087f6b79092e5b9f480dc4b0d48640f",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 1,
   "threads": 1
  },
  "recorded_with": "208e5c51e78bc2a622af3a2a3b523f42baaaa1e9",
  "sentences": {
   "train": 25748,
   "valid": 1030,
   "test": 979
  },
  "parameters": 5490688,
  "best_step": 4000,
  "cpu_or_gpu_seconds": 1375.963020156,
  "wall_seconds": 2426.5486058010006,
  "tuning": {
   "alpha": 1.2,
   "valid_bleu": {
    "0.2": 31.609597912563647,
    "0.4": 32.00461355170561,
    "0.6": 31.974268318058066,
    "0.8": 32.18737818743455,
    "1.0": 32.33970838395151,
    "1.2": 32.390754026351196,
    "1.4": 32.05982361489657,
    "1.6": 31.855173222535992,
    "1.8": 31.798093642255505,
    "2.0": 31.664928280190022
   },
   "seconds": 11.029134212999907
  },
  "test": {
   "greedy": {
    "bleu": 28.40398390541229,
    "chrf": 45.56353214127363,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9510798942730901,
    "length_ratio": 0.952238380382093,
    "exact_match": 11.133810010214505,
    "sentences": 979,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 2.543620907999866,
    "cpu_seconds": 2.543309089
   },
   "beam 5, alpha 1": {
    "bleu": 31.260836173962932,
    "chrf": 47.75541338220812,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9258079603371361,
    "length_ratio": 0.9284288565725691,
    "exact_match": 13.585291113381,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 8.219773595000333,
    "cpu_seconds": 8.219109625000002
   },
   "beam 5": {
    "bleu": 31.355510657137,
    "chrf": 47.978182452013044,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.935108557871955,
    "length_ratio": 0.937125748502994,
    "exact_match": 13.38100102145046,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.2,
    "seconds": 8.663789188999544,
    "cpu_seconds": 8.662019724000002
   },
   "together, beam 5": {
    "bleu": 32.21867517673937,
    "chrf": 49.4808037508805,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9643051221199553,
    "length_ratio": 0.9649272882805817,
    "exact_match": 13.993871297242084,
    "sentences": 979,
    "beam": 5,
    "alpha": 1.6,
    "seconds": 20.542450652999833,
    "cpu_seconds": 20.538714172
   }
  },
  "together_with": [
   {
    "about": {
     "fingerprint": "79e7b6a9026f0ac8",
     "command": "python -m translator train --corpus tatoeba-zh-en --data DIR --out runs/zh-en-1 --vocabulary 6000 --dropout 0.2 --word-dropout 0.1 --tokens 2048 --lr 0.0014 --warmup 800 --evaluate-every 1000 --minutes 25 --seed 1 --device cpu",
     "revision": "59493b54f087f6b79092e5b9f480dc4b0d48640f",
     "torch": "2.13.0+cpu",
     "device": "AMD EPYC, 2 cores",
     "precision": "bfloat16",
     "processes": 1,
     "threads": 1
    },
    "seed": 1,
    "cpu_or_gpu_seconds": 1435.9574811740001,
    "test": {
     "bleu": 30.427473781594266,
     "chrf": 47.693963795557394,
     "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
     "brevity_penalty": 0.9748822383180074,
     "length_ratio": 0.9751924721984602,
     "exact_match": 12.870275791624106,
     "sentences": 979,
     "beam": 5,
     "alpha": 2.0,
     "seconds": 8.60010664100082,
     "cpu_seconds": 8.599329513999997
    },
    "curve": [
     {
      "step": 1000,
      "valid_loss": 2.547653538165706,
      "valid_bleu": 16.578145874182535,
      "seconds": 293.354158305,
      "wall_seconds": 420.95119359499995
     },
     {
      "step": 2000,
      "valid_loss": 2.0117518358891555,
      "valid_bleu": 24.358064936935605,
      "seconds": 591.9375527059999,
      "wall_seconds": 840.0961507940001
     },
     {
      "step": 3000,
      "valid_loss": 1.8544166489402847,
      "valid_bleu": 27.302949116364918,
      "seconds": 899.3819194429999,
      "wall_seconds": 1390.0960356259998
     },
     {
      "step": 4000,
      "valid_loss": 1.7887556246011564,
      "valid_bleu": 28.478958404018318,
      "seconds": 1225.452164125,
      "wall_seconds": 2067.471501931
     },
     {
      "step": 4653,
      "valid_loss": 1.7733482763712163,
      "valid_bleu": 29.06372235392022,
      "seconds": 1435.9574811740001,
      "wall_seconds": 2406.0120245660005
     }
    ]
   }
  ],
  "samples": [
   {
    "source": "我想吃汉堡。",
    "output": "I'd like to eat hamburgers."
   },
   {
    "source": "你昨天为什么没有来？",
    "output": "Why didn't you come yesterday?"
   },
   {
    "source": "他的哥哥在学校教英语。",
    "output": "His brother is studying English."
   },
   {
    "source": "如果明天下雨，我们就待在家里。",
    "output": "If it rains tomorrow, we'll stay at home."
   },
   {
    "source": "注意力就是你所需要的一切。",
    "output": "The attention is what you need is everything."
   }
  ],
  "curve": [
   {
    "step": 1000,
    "valid_loss": 2.535056664998775,
    "valid_bleu": 16.458236816314162,
    "seconds": 295.494722988,
    "wall_seconds": 509.94289781900034
   },
   {
    "step": 2000,
    "valid_loss": 1.989469824057601,
    "valid_bleu": 25.6472443586646,
    "seconds": 598.257443101,
    "wall_seconds": 978.5703275640003
   },
   {
    "step": 3000,
    "valid_loss": 1.8339622547917633,
    "valid_bleu": 28.606503622912395,
    "seconds": 898.3000495599999,
    "wall_seconds": 1489.5222984030001
   },
   {
    "step": 4000,
    "valid_loss": 1.7753454151720103,
    "valid_bleu": 29.324587570719224,
    "seconds": 1226.602486862,
    "wall_seconds": 2262.4003283630004
   },
   {
    "step": 4484,
    "valid_loss": 1.7643204490737159,
    "valid_bleu": 29.10623225757172,
    "seconds": 1375.963020156,
    "wall_seconds": 2426.5486058010006
   }
  ]
 }
]
""")
