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
   "tokens": 6144,
   "lr": 0.007,
   "warmup": 100,
   "weight_decay": 0.01,
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
   "command": "torchrun --nproc-per-node 2 -m translator train --corpus synthetic-zh-en --out runs/synthetic --device cpu",
   "revision": "97431e2a8ac4b7c68d439f4e078b6be05eef0d73",
   "torch": "2.13.0+cpu",
   "device": "AMD EPYC, 2 cores",
   "precision": "bfloat16",
   "processes": 2,
   "threads": 1
  },
  "recorded_with": "97431e2a8ac4b7c68d439f4e078b6be05eef0d73",
  "sentences": {
   "train": 40000,
   "valid": 495,
   "test": 1000
  },
  "parameters": 801280,
  "best_step": 600,
  "cpu_or_gpu_seconds": 80.828267101,
  "wall_seconds": 84.257682079,
  "tuning": {
   "alpha": 1.6,
   "valid_bleu": {
    "0.2": 98.68850301233022,
    "0.4": 98.66058153031558,
    "0.6": 98.75004602175973,
    "0.8": 98.91183029296928,
    "1.0": 99.0611508400116,
    "1.2": 99.0611508400116,
    "1.4": 99.0611508400116,
    "1.6": 99.11225954400058,
    "1.8": 99.11225954400058,
    "2.0": 99.11225954400058
   },
   "seconds": 4.186928461000008
  },
  "test": {
   "greedy": {
    "bleu": 98.87163672567367,
    "chrf": 99.32721823897252,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9988304094901308,
    "length_ratio": 0.9988310929281122,
    "exact_match": 96.5,
    "sentences": 1000,
    "beam": 1,
    "alpha": 1.0,
    "seconds": 1.3363188140001512,
    "cpu_seconds": 1.3362724099999994
   },
   "beam 5, alpha 1": {
    "bleu": 98.88086460314184,
    "chrf": 99.36838499097966,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9971385855540462,
    "length_ratio": 0.997142671602052,
    "exact_match": 96.8,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.0,
    "seconds": 4.702006622000226,
    "cpu_seconds": 4.701512356
   },
   "beam 5": {
    "bleu": 98.90416362146811,
    "chrf": 99.38428926737534,
    "signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
    "brevity_penalty": 0.9972037085389829,
    "length_ratio": 0.9972076108838236,
    "exact_match": 96.9,
    "sentences": 1000,
    "beam": 5,
    "alpha": 1.6,
    "seconds": 4.6615845630003605,
    "cpu_seconds": 4.661221981000001
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
    "source": "虽然那个男人昨天晚上没买那匹马，但是去年在学校找一把贵钥匙的医生需要一部手机",
    "output": "although that man did not buy that horse last night , the doctor who was looking for an expensive key in the school last year needs an expensive phone",
    "reference": "although that man did not buy that horse last night , the doctor who was looking for an expensive key in the school last year needs a phone"
   },
   {
    "source": "喜欢帽子的学生上个星期被他邀请了，上个星期学生吃了一个三明治，昨天晚上她在医院画了那件红毛衣",
    "output": "the student who likes hats was invited by him last week , the student ate a sandwich last week , and she drew that sweater in the hospital last night",
    "reference": "the student who likes hats was invited by him last week , the student ate a sandwich last week , and she drew that red sweater in the hospital last night"
   },
   {
    "source": "因为男孩很饿，所以穿贵衬衫的医生昨天晚上在厨房帮助了他的同事",
    "output": "the doctor who is wearing an expensive shirt in the kitchen last night helped his colleague in the kitchen last night",
    "reference": "the doctor who is wearing an expensive shirt helped his colleague in the kitchen last night because the boy is hungry"
   },
   {
    "source": "女人们今天早上在商店骑了两辆自行车，学校里的工人去年把大衣偷走了，女人昨天晚上做了一个小三明治，孩子昨天晚上把盘子打破了",
    "output": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , and the woman made a sandwich last night",
    "reference": "the women rode two bicycles in the shop this morning , the worker in the school stole the coat last year , the woman made a small sandwich last night , and the child broke the plate last night"
   },
   {
    "source": "鸡蛋去年被我吃掉了",
    "output": "the umbrella was eaten up by me last year",
    "reference": "the egg was eaten up by me last year"
   },
   {
    "source": "孩子上个星期没写那本小说，那个老师昨天晚上把那扇小窗户打破了，喜欢马的医生今天早上画了他姐姐偷走的裙子",
    "output": "the child did not write that novel last week , that teacher broke that small window last night , and the doctor who likes horses drew the skirt this morning",
    "reference": "the child did not write that novel last week , that teacher broke that small window last night , and the doctor who likes horses drew the skirt that his older sister stole this morning"
   },
   {
    "source": "戴便宜的帽子的司机今天早上没买那杯咖啡，他们姐姐去年在医院找了他的羊，去年警察给了那个学生五本便宜的书",
    "output": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and those five students gave that police officers last year",
    "reference": "the driver who is wearing a cheap hat did not buy that cup of coffee this morning , their older sister looked for his sheep in the hospital last year , and the police officer gave that student five cheap books last year"
   },
   {
    "source": "今天早上工人把汉堡吃掉了，电脑昨天晚上被他的医生偷走了，她买的老鼠昨天晚上被男孩找到了",
    "output": "the worker ate up the hamburger this morning , the computer was stolen by his doctor last night , and the mouse that the boy bought was found by the boy last night",
    "reference": "the worker ate up the hamburger this morning , the computer was stolen by his doctor last night , and the mouse that she bought was found by the boy last night"
   }
  ],
  "curve": [
   {
    "step": 300,
    "valid_loss": 0.10057548663692042,
    "valid_bleu": 93.79276203810069,
    "seconds": 40.488679106,
    "wall_seconds": 42.558333426999525
   },
   {
    "step": 600,
    "valid_loss": 0.06759414446151712,
    "valid_bleu": 99.01036631619448,
    "seconds": 80.828267101,
    "wall_seconds": 84.257682079
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
